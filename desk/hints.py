"""What feedback is probably about, by its words (docs/clinical.md WO21). Pure, and a hint only: whoever sees to the
ticket classifies it, and nothing is ever closed or answered by a word."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINK: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("registration", ("挂号", "預約", "预约", "排队", "取号", "registration", "appointment", "booking", "queue")),
    ("billing", ("收费", "缴费", "费用", "医保", "报销", "发票", "bill", "charge", "invoice", "insurance", "refund")),
    ("admission", ("住院", "病房", "床位", "出院", "ward", "admission", "discharge", "bed")),
    ("treatment", ("治疗", "手术", "诊断", "检查", "用药", "医生", "treatment", "surgery", "operation", "diagnos")),
)
_PROBLEM: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "quality",
        ("误诊", "漏诊", "感染", "疗效", "并发症", "用错药", "医疗事故", "misdiagnos", "infection", "malpractice"),
    ),
    ("attitude", ("态度", "不耐烦", "骂", "冷漠", "attitude", "rude", "unfriendly")),
    ("facilities", ("厕所", "停车", "空调", "环境", "吵", "脏", "电梯", "toilet", "parking", "nois", "dirty")),
    ("process", ("排队", "挂号难", "等了", "等待", "流程", "手续", "queue", "waited", "waiting", "procedure")),
)  # fmt: skip
_NATURE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("complaint", ("投诉", "不满", "差评", "太差", "举报", "complain", "complaint", "unacceptable")),
    ("praise", ("表扬", "感谢", "点赞", "谢谢", "praise", "thank", "grateful")),
    ("suggestion", ("建议", "希望能", "suggest", "could you")),
)


@dataclass(frozen=True)
class Hint:
    """Empty where the words say nothing."""

    link: str = ""
    problem: str = ""
    nature: str = ""


def hint(words: str) -> Hint:
    """The first class of each list that one of the words belongs to."""
    text = words.lower()
    return Hint(_first(_LINK, text), _first(_PROBLEM, text), _first(_NATURE, text))


def _first(lists: tuple[tuple[str, tuple[str, ...]], ...], text: str) -> str:
    return next((name for name, known in lists if any(_begins(word, text) for word in known)), "")


def _begins(word: str, text: str) -> bool:
    """Whether a word of the text begins so: "discharge" is no "charge". Chinese has no gaps to go by."""
    return bool(re.search(rf"(?<![a-z]){word}", text)) if word.isascii() else word in text
