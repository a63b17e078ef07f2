"""Rows as people read them: the cells of tables on the screen and in Markdown, as plain text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from icil.results.action_errors import ActionError
from icil.results.comparisons import Comparison, Wins
from icil.results.leaderboard import Row
from icil.results.overall import ALL, OverallRow
from icil.results.published import PublishedRow
from icil.results.success import Success

Headings = Mapping[str, Literal["left", "right"]]

BOARD: Headings = {
    "#": "right",
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "n": "right",
    "score [95 %]": "right",
    "norm.": "right",
    "wrong": "right",
    "err": "right",
}
BILL: Headings = {"tokens": "right", "cached": "right", "cost": "right"}
OVERALL: Headings = {
    "#": "right",
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "tasks": "right",
    "n": "right",
    "norm. [95 %]": "right",
    "IQM [95 %]": "right",
    "err": "right",
    "cost": "right",
    "missing": "left",
}
WINS: Headings = {
    "first": "left",
    "against": "left",
    "settings": "right",
    "wins": "right",
    "losses": "right",
    "undecided": "right",
    "uncorrected": "right",
}
SUCCESS: Headings = {
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "n": "right",
    "success [95 %]": "right",
    "at the end [95 %]": "right",
    "calls": "right",
    "latency": "right",
    "p50": "right",
    "p95": "right",
}

ACTIONS: Headings = {
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "n": "right",
    "failed": "right",
    "actions": "right",
    "unread": "right",
    "error [95 %]": "right",
    "by dimension": "right",
}

ACTION_ERROR = (
    "error: distance from the demonstrated action, in parts of the range of each number, on "
    "average; unread: replies without an action, which have no error; failed: episodes that did "
    "not end"
)
_DIMENSIONS = 8
"""Of an action that have room in a row; the file has all of them."""

TIED = "= not told apart from the row above (paired by opening, Holm's correction, 5 %)"
ONE_SET = (
    "* the interval holds for the one set of demonstrations shown; another set may do otherwise"
)
PUBLISHED = "† published by {}: other episodes and prompts; neither ranked nor compared"


class _Field(NamedTuple):
    heading: str
    side: Literal["left", "right"]
    show: Callable[[Comparison], str]


def board_cells(row: Row) -> tuple[str, ...]:
    """Returns a row's cells under `BOARD`."""
    score = estimate(row.score_mean, row.score_ci_low, row.score_ci_high)
    return (
        "" if row.rank is None else f"={row.rank}" if row.tied else str(row.rank),
        row.agent,
        row.selector,
        demonstrations(row.demonstrations, row.context_tokens),
        str(row.episodes) + ("…" if row.note == "unfinished" else ""),
        row.note or "–" if row.score_mean is None else score + "*" * (row.drawn == "one set"),
        "–" if row.normalized_mean is None else f"{row.normalized_mean:.3f}",
        _wrong(row),
        str(row.errors),
    )


def published_cells(row: PublishedRow) -> tuple[str, ...]:
    """Returns a published row's cells under `BOARD`, marked with a dagger."""
    number = "" if row.demonstrations is None else str(row.demonstrations)
    wrong = "–" if row.illegal_rate is None else f"{row.illegal_rate:.1%}"
    return ("†", f"{row.agent} †", "", number, "", f"{row.score_mean:.3f}", "–", wrong, "")


def bill_cells(row: Row) -> tuple[str, ...]:
    """Returns a row's cells under `BILL`."""
    if not row.input_tokens:
        return ("", "", "")
    share = row.cached_input_tokens / row.input_tokens
    return (short(row.input_tokens + row.output_tokens), f"{share:.0%}", _cost(row.cost_usd))


def board_legend(rows: Sequence[Row], sources: Sequence[str] = ()) -> list[str]:
    """Returns what explains the marks of a table of rows, and of published ones."""
    told = [TIED] if any(row.tied for row in rows) else []
    told += [ONE_SET] if any(row.drawn == "one set" for row in rows) else []
    return [*told, *(PUBLISHED.format(source) for source in sources)]


def overall_cells(row: OverallRow) -> tuple[str, ...]:
    """Returns a row's cells under `OVERALL`."""
    return (
        "" if row.rank is None else str(row.rank),
        row.agent,
        row.selector,
        row.demonstrations,
        str(row.tasks),
        str(row.episodes),
        estimate(row.normalized_mean, row.normalized_ci_low, row.normalized_ci_high),
        estimate(row.iqm, row.iqm_ci_low, row.iqm_ci_high),
        str(row.errors),
        _cost(row.cost_usd) if row.input_tokens else "",
        row.missing,
    )


def comparison_fields(rows: Sequence[Comparison]) -> tuple[_Field, ...]:
    """Returns the columns that tell some comparisons of one kind apart."""
    kind = rows[0].compared if rows else "agents"
    named: dict[str, _Field] = {
        "agents": _Field("agent", "left", lambda row: row.agent),
        "selectors": _Field("selector", "left", lambda row: row.selector),
    }
    return (
        *(field for name, field in named.items() if name != kind),
        _Field(
            "demos", "right", lambda row: demonstrations(row.demonstrations, row.context_tokens)
        ),
        _Field("first", "left", lambda row: row.first),
        _Field("against", "left", lambda row: row.second),
        _Field("n", "right", lambda row: str(row.openings)),
        _Field("difference [95 %]", "right", _difference),
        _Field("p", "right", lambda row: _chance(row.p_value)),
        _Field("Holm", "right", lambda row: _chance(row.p_holm)),
        _Field("better", "left", lambda row: row.better or "–"),
        _Field("+n for 80 %", "right", _more),
    )


def wins_cells(row: Wins) -> tuple[str, ...]:
    """Returns a row's cells under `WINS`."""
    counts = (row.settings, row.wins, row.losses, row.undecided)
    single = f"{row.wins_uncorrected} : {row.losses_uncorrected}"
    return (row.first, row.second, *map(str, counts), single)


def success_cells(row: Success) -> tuple[str, ...]:
    """Returns a row's cells under `SUCCESS`; shares in percent, latencies in seconds."""
    waits = (row.latency_mean_s, row.latency_p50_s, row.latency_p95_s)
    return (
        row.agent,
        row.selector,
        demonstrations(row.demonstrations, row.context_tokens),
        str(row.episodes),
        _percent(row.success_any, row.success_any_ci_low, row.success_any_ci_high),
        _percent(row.success_last, row.success_last_ci_low, row.success_last_ci_high),
        str(row.calls or ""),
        *("" if wait is None else f"{wait:.3f} s" for wait in waits),
    )


def action_error_cells(row: ActionError) -> tuple[str, ...]:
    """Returns a row's cells under `ACTIONS`."""
    found = row.error
    bounds = f" [{found.low:.3f}, {found.high:.3f}]" if found and found.low is not None else ""
    each = [f"{one.mean:.3f}" if one else "–" for one in row.dimensions[:_DIMENSIONS]]
    return (
        row.agent,
        row.selector,
        demonstrations(row.demonstrations, row.context_tokens),
        str(row.episodes),
        str(row.failed),
        str(row.actions),
        str(row.unread),
        f"{found.mean:.4f}{bounds}" if found else "–",
        " ".join([*each, *["…"] * (len(row.dimensions) > _DIMENSIONS)]) if found else "",
    )


def overall_heading(row: OverallRow) -> str:
    """Returns what is said above the rows of one `demonstrations`, among which ranks are."""
    if row.demonstrations == ALL:
        return "the mean over all numbers of demonstrations"
    if row.demonstrations.endswith("tokens"):
        return f"{row.demonstrations} of demonstrations"
    return f"{row.demonstrations} demonstration{'s' * (row.demonstrations != '1')}"


def demonstrations(count: int, budget: int | None) -> str:
    """Returns how many demonstrations are shown, and the budget that they fill."""
    return str(count) if budget is None else f"{count} in {short(budget)}"


def estimate(mean: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    """Returns a mean with its interval; a dash where there is none."""
    if mean is None:
        return "–"
    if low is None or high is None:
        return f"{mean:{sign}.3f}"
    return f"{mean:{sign}.3f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def short(count: int) -> str:
    """Returns a count in three digits or so: 812, 12.3k, 4.56M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


def _cost(cost: float | None) -> str:
    return "?" if cost is None else f"${cost:.2f}"


def _wrong(row: Row) -> str:
    rates = (row.empty_rate, row.invalid_rate, row.illegal_rate)
    known = [rate for rate in rates if rate is not None]
    return f"{sum(known):.1%}" if known else "–"


def _difference(row: Comparison) -> str:
    found = estimate(row.difference, row.difference_ci_low, row.difference_ci_high, "+")
    return found + "*" * (row.drawn == "one set")


def _chance(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _more(row: Comparison) -> str:
    return "" if row.more_openings is None else f"+{row.more_openings:,}"


def _percent(share: float, low: float, high: float) -> str:
    return f"{share:.0%} [{low:.0%}, {high:.0%}]"
