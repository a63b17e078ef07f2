"""The action language of chess: SAN and UCI, to the letter."""

import chess
import pytest

from icil.tasks.chess import Chess
from icil.tasks.chess.moves import decode

SAN, UCI = Chess(), Chess(language="uci")
START = chess.STARTING_FEN
TWO_WAYS = "7k/8/8/8/8/8/8/KN3N2 w - - 0 1"
PROMOTION = "1n5k/P7/8/8/8/8/8/K7 w - - 0 1"
CHECK = "7k/8/8/8/8/8/8/K5R1 w - - 0 1"
MATE = "7k/8/6K1/8/8/8/8/R7 w - - 0 1"
CASTLE = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
EN_PASSANT = "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2"


def at(fen):
    env = SAN.make_env()
    env.reset(options={"opening": {"fen": fen}})
    return env


@pytest.mark.parametrize(
    ("fen", "said", "status"),
    [
        (START, "e4", "ok"),
        (START, " Nf3\n", "ok"),
        (START, "", "empty"),
        (START, " \n", "empty"),
        (START, "e5", "illegal"),
        (START, "Ke2", "illegal"),
        (START, "Qh5#", "illegal"),
        (START, "O-O", "illegal"),
        (START, "exd5", "illegal"),
        (START, "e2e4", "invalid"),
        (START, "E4", "invalid"),
        (START, "nf3", "invalid"),
        (START, "Pe4", "invalid"),
        (START, "Nf3+", "invalid"),
        (START, "Ngf3", "invalid"),
        (START, "Ng1f3", "invalid"),
        (START, "Nf3!", "invalid"),
        (START, "1. e4", "invalid"),
        (START, "I play e4", "invalid"),
        (START, "♘f3", "invalid"),
        (START, "--", "invalid"),
        (START, "0000", "invalid"),
        (START, "Z0", "invalid"),
        (START, "e9", "invalid"),
        (START, "e4\nd4", "invalid"),
        (TWO_WAYS, "Nd2", "invalid"),
        (TWO_WAYS, "Nbd2", "ok"),
        (TWO_WAYS, "N1d2", "invalid"),
        (TWO_WAYS, "Nc3", "ok"),
        (TWO_WAYS, "Nbc3", "invalid"),
        (PROMOTION, "a8=Q", "ok"),
        (PROMOTION, "axb8=Q+", "ok"),
        (PROMOTION, "axb8=N", "ok"),
        (PROMOTION, "axb8=K", "invalid"),
        (PROMOTION, "a8", "invalid"),
        (PROMOTION, "a8N", "invalid"),
        (CHECK, "Rh1+", "ok"),
        (CHECK, "Rh1", "invalid"),
        (MATE, "Ra8#", "ok"),
        (MATE, "Ra8+", "invalid"),
        (MATE, "Ra8", "invalid"),
        (CASTLE, "O-O", "ok"),
        (CASTLE, "O-O-O", "ok"),
        (CASTLE, "0-0", "invalid"),
        (CASTLE, "Kg1", "illegal"),
        (EN_PASSANT, "exd6", "ok"),
        (EN_PASSANT, "exd6e.p.", "invalid"),
    ],
)
def test_san(fen, said, status):
    parsed = SAN.parse(said, at(fen))
    assert parsed.status == status
    assert (parsed.reason is None) == (status == "ok")
    if status == "ok":
        assert parsed.action == said.strip()
        assert chess.Board(fen).san(decode(parsed.value)) == parsed.action


def test_the_reason_names_the_right_wording():
    assert SAN.parse("Rh1", at(CHECK)).reason == "the move is written 'Rh1+', not 'Rh1'"
    assert "several" in SAN.parse("Nd2", at(TWO_WAYS)).reason


@pytest.mark.parametrize(
    ("fen", "said", "status"),
    [
        (START, "e2e4", "ok"),
        (START, "e2e5", "illegal"),
        (START, "e4", "invalid"),
        (START, "Nf3", "invalid"),
        (START, "E2E4", "invalid"),
        (START, "e2-e4", "invalid"),
        (START, "0000", "invalid"),
        (START, "e2e4q", "illegal"),
        (START, "", "empty"),
        (PROMOTION, "a7b8q", "ok"),
        (PROMOTION, "a7b8", "illegal"),
        (PROMOTION, "a7b8k", "invalid"),
        (CASTLE, "e1g1", "ok"),
        (CASTLE, "e1h1", "invalid"),
        (EN_PASSANT, "e5d6", "ok"),
    ],
)
def test_uci(fen, said, status):
    parsed = UCI.parse(said, at(fen))
    assert parsed.status == status
    assert (parsed.reason is None) == (status == "ok")


@pytest.mark.parametrize("fen", [START, TWO_WAYS, PROMOTION, CHECK, MATE, CASTLE, EN_PASSANT])
def test_either_language_writes_the_actions_of_either(fen):
    env = at(fen)
    for move in chess.Board(fen).legal_moves:
        san, uci = chess.Board(fen).san(move), move.uci()
        for task, wording in ((SAN, san), (UCI, uci)):
            assert task.express(san, env) == task.express(uci, env) == wording
            assert task.parse(wording, env).action == wording


def test_what_is_no_move_is_expressed_as_it_is():
    for action in ("e5", "rubbish", ""):
        assert UCI.express(action, at(START)) == SAN.express(action, at(START)) == action


def test_legal_actions_are_sorted_and_complete():
    env = at(START)
    assert len(SAN.legal_actions(env)) == 20
    assert list(SAN.legal_actions(env)) == sorted(SAN.legal_actions(env))
    assert UCI.legal_actions(env)[0] == "a2a3"
