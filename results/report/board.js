/* The leaderboard: sorted, filtered, drawn. */

const board = { sort: null, down: false, chosen: {} };
const NUMBERS = new Set(["rank", "demonstrations", "episodes", "score", "normalized", "wrong", "agreement",
  "errors", "tokens", "cost", "latency"]);

function drawFacts() {
  const { runs } = overview.now;
  byId("facts").replaceChildren(...runs.flatMap((run) => [
    runs.length > 1 ? make("h3", {}, run.name) : "",
    make("dl", { class: "facts" },
      ...run.facts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)))),
  ]).filter(Boolean));
  byId("sources").replaceChildren(...runs.map((run) => make("div", { class: "card" },
    make("h3", {}, run.name),
    make("dl", { class: "pairs" },
      ...run.provenance.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])),
    make("details", {}, make("summary", {}, "The experiment, as it was played"), make("pre", {}, run.experiment)))));
  byId("legend").replaceChildren(...overview.now.board.legend.map((text) => make("li", {}, text)));
  byId("left-out").replaceChildren(...overview.now.leftOut.map((text) => make("li", {}, text)));
}

function drawFilters() {
  const { filters, rows } = overview.now.board;
  const labels = filters.map((name) => {
    const values = [...new Set(rows.map((row) => row.shown[name][0]))].sort();
    const select = make("select", { id: `filter-${name}` }, make("option", { value: "" }, "all"),
      ...values.map((value) => make("option", { value: `=${value}` }, value || "none")));
    select.value = board.chosen[name] || "";
    select.addEventListener("change", () => {
      board.chosen[name] = select.value;
      drawRows();
    });
    return make("label", {}, name, select);
  });
  byId("filters").replaceChildren(...labels, make("output", { id: "shown" }));
}

function drawHead() {
  const cells = overview.now.board.columns.map(([name, heading, hint]) => {
    const button = make("button", { type: "button", title: hint || null }, heading);
    button.addEventListener("click", () => {
      const first = NUMBERS.has(name) && name !== "rank";
      if (board.sort !== name) Object.assign(board, { sort: name, down: first });
      else if (board.down === first) board.down = !first;
      else board.sort = null;
      for (const [i, th] of [...byId("board").tHead.rows[0].cells].entries()) {
        const mine = (overview.now.board.columns[i - 1] || [])[0] === board.sort;
        if (mine && board.sort) th.setAttribute("aria-sort", board.down ? "descending" : "ascending");
        else th.removeAttribute("aria-sort");
      }
      drawRows();
    });
    const order = board.sort === name ? (board.down ? "descending" : "ascending") : null;
    return make("th", { scope: "col", class: NUMBERS.has(name) ? "number" : null, "aria-sort": order }, button);
  });
  byId("board").tHead.replaceChildren(
    make("tr", {}, make("th", { scope: "col" }, make("span", { class: "unseen" }, "Watch")), ...cells));
}

function compare(a, b) {
  const [left, right] = [a, b].map((row) => row.shown[board.sort][1]);
  const empty = (value) => value === null || value === "";
  if (empty(left) || empty(right)) return empty(left) - empty(right);
  const order = typeof left === "number" ? left - right : String(left).localeCompare(String(right));
  return board.down ? -order : order;
}

function drawRows() {
  const { columns, rows, filters } = overview.now.board;
  const kept = rows.filter((row) => filters.every((name) =>
    !board.chosen[name] || board.chosen[name] === `=${row.shown[name][0]}`));
  if (board.sort) kept.sort(compare);
  let above = null;
  byId("board").tBodies[0].replaceChildren(...kept.map((row) => {
    const starts = !board.sort && (!above || ["run", "task", "format"].some((name) =>
      above.shown[name][0] !== row.shown[name][0]));
    const cells = columns.map(([name]) => drawCell(name, row, !board.sort && !starts));
    const watch = make("button", { type: "button", title: "Watch its episodes" }, makeIcon());
    watch.disabled = !overview.now.cells.some((cell) => cell.run === row.run && cell.id === row.cell && cell.count);
    watch.setAttribute("aria-label", `Watch episodes of ${row.shown.agent[0]}, ${row.shown.task[0]} ` +
      `${row.shown.format[0]}, ${row.shown.demonstrations[0]} demonstrations`);
    watch.addEventListener("click", () => watchCell(row.run, row.cell));
    above = row;
    return make("tr", { class: starts ? "group" : null }, make("td", {}, watch), ...cells);
  }));
  byId("shown").textContent = `${kept.length} of ${rows.length} rows`;
}

function drawCell(name, row, follows) {
  const [text, value, small] = row.shown[name];
  const kinds = [NUMBERS.has(name) && "number", name === "score" && "score",
    name === "errors" && value > 0 && "bad", follows && ["run", "task", "format"].includes(name) && "again"];
  return make("td", { class: kinds.filter(Boolean).join(" ") || null }, text,
    small ? make("small", {}, ` ${small}`) : "", name === "normalized" ? drawMark(row.interval) : "");
}

function makeIcon() {
  const icon = makeSvg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  icon.append(makeSvg("path", { d: "M4 2v12l10-6z" }));
  return icon;
}

/** Draws a normalised score and its interval, from a little below random to a little above expert. */
function drawMark([low, mean, high]) {
  if (mean === null) return "";
  const place = (value) => (80 * (Math.min(1.3, Math.max(-0.3, value)) + 0.3) / 1.6).toFixed(1);
  const mark = makeSvg("svg", { class: "mark", viewBox: "0 0 80 14", role: "img",
    "aria-label": `normalised ${mean.toFixed(3)}` });
  for (const end of [0, 1]) mark.append(makeSvg("line", { class: "end", x1: place(end), x2: place(end), y1: 0, y2: 14 }));
  if (low !== null && high !== null) {
    mark.append(makeSvg("line", { class: "range", x1: place(low), x2: place(high), y1: 7, y2: 7 }));
  }
  mark.append(makeSvg("circle", { cx: place(mean), cy: 7, r: 3 }));
  return mark;
}

function drawBoard() {
  drawFacts();
  drawFilters();
  drawHead();
  drawRows();
}
