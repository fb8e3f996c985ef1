"""What looking again gains and costs, on a labelled set of questions that take two look-ups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg

import ragpg

from ..servers.messages import MessagesServer, Reply, answer, calls, text_block, tool_call
from .texts import SIGNED, TWO_STEPS, rows

SET = [
    {
        "question": TWO_STEPS,
        "answer": "Acme Steel.",
        "labels": [
            {"source": "suppliers.md", "quote": "Acme Steel is audited by Hartwell Partners."}
        ],
    },
    {"question": SIGNED, "answer": "Hartwell.", "labels": [{"source": "report-2023.md"}]},
]


def plays(body: Any) -> Reply:
    """Looks again where it may and the question takes two; grades by the expected name."""
    if body.get("tool_choice", {}).get("name") == "grade":
        told = body["messages"][0]["content"]
        right = told.partition("<answer>")[2].count("Acme") or "Hartwell.</expected" in told
        return answer(tool_call("grade", reason="r", facts_right=bool(right), form_right=True))
    said = body["messages"][-1]["content"]
    if said[0]["type"] == "tool_result":
        return answer(text_block("Acme Steel.", (len(body["messages"][0]["content"]) - 1, 0, 1)))
    if "tools" in body and said[-1]["text"] == TWO_STEPS:
        return calls(tool_call("search", query="audited by Hartwell Partners", k=5))
    return answer(text_block("Hartwell.", (0, 0, 1)))


def test_two_runs_are_compared_by_grades_steps_and_cost(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer, tmp_path: Path
) -> None:
    sql.execute("insert into ragpg.model_prices values ('claude-sonnet-5-5', 3, 15, 0.3, 3.75)")
    file = tmp_path / "set.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in SET))
    firm.evaluation.load(file)
    claude.plays = plays
    once = firm.evaluation.run(k=1, answers=True)
    again = firm.evaluation.run(k=1, answers=True, steps=4)
    found = {one.measure: one for one in firm.evaluation.compare(once, again)}
    assert list(found)[-4:] == ["right", "steps", "tokens", "cost"]
    assert (found["right"].first_mean, found["right"].second_mean) == (0.5, 1.0)
    assert (found["steps"].first_mean, found["steps"].second_mean) == (1.0, 1.5)
    assert (found["steps"].better, found["steps"].worse) == (0, 1)
    assert found["cost"].worse >= 1 and found["cost"].difference > 0
    assert found["ndcg"].difference == 0, "the first search is the same"
    assert rows(sql, "select count(*) from ragpg.answer_steps") == [(3,)]
    plain = firm.evaluation.run(k=1)
    assert "steps" not in {one.measure for one in firm.evaluation.compare(plain, again)}
