"""What measures say of the items of a card: a suggestion beside an item, never a mark.

Only what speaks for itself is suggested. A hit of the phrase list suggests a "no"; that nothing was hit suggests
nothing, because no list finds everything. What the patient keyed is shown only once the blind marks are closed
(docs/clinical.md section 4, Blind).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from recordings.quality.qa_shapes import Suggestion
from recordings.quality.scorecards import Card, Item
from recordings.sampling import subjects
from recordings.sampling.subjects import Hit, Subject


def of_subject(session: Session, subject: Subject, card: Card, *, hidden: bool) -> dict[str, Suggestion]:
    """{item: suggestion} for the hidden items of the card, or for the others."""
    wanted = [item for item in card.items.values() if item.hidden == hidden and item.suggest]
    hits = subjects.hits(session, subject) if any(item.suggest["measure"] in _OF_HITS for item in wanted) else []
    made = {item.key: suggested(item, subject, hits) for item in wanted}
    return {key: suggestion for key, suggestion in made.items() if suggestion is not None}


_OF_HITS = ("findings", "missing")


def suggested(item: Item, subject: Subject, hits: Sequence[Hit]) -> Suggestion | None:
    """None: the measures say nothing of this item."""
    match item.suggest["measure"]:
        case "answer_time":
            answer_s, within_s = subject.fact.answer_s, item.suggest["within_s"]
            if answer_s is None:
                return None
            value = "yes" if answer_s <= within_s else "no"
            return Suggestion(value, "answer_time", {"answer_s": answer_s, "within_s": within_s})
        case "findings":
            of_these = [hit for hit in hits if hit.category in item.suggest["categories"]]
            if not of_these:
                return None
            first = of_these[0]
            values = {"count": len(of_these), "category": first.category, "start_s": first.start_s}
            return Suggestion("no", "findings", values, first.start_s)
        case "missing":
            gone = [hit for hit in hits if hit.category == "missing" and hit.phrase in item.suggest["phrases"]]
            return Suggestion("no", "missing", {"phrase": gone[0].phrase}) if gone else None
        case "satisfaction":
            score = subject.fact.satisfaction
            if score is None:
                return Suggestion("na", "no_satisfaction", {})
            return Suggestion("yes" if score >= item.suggest["from"] else "no", "satisfaction", {"score": score})
        case other:
            raise ValueError(f"the card names a measure {other} that nobody takes")
