"""The words of the monthly pack and of the CSV files, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Words = Mapping[str, str]

SHEETS: Final[Mapping[str, Words]] = {
    "about": {"zh-CN": "说明", "en": "About"},
    "agents": {"zh-CN": "客服", "en": "Agents"},
    "dimensions": {"zh-CN": "维度", "en": "Dimensions"},
    "findings": {"zh-CN": "词库命中", "en": "Findings"},
    "agreement": {"zh-CN": "评分一致性", "en": "Agreement"},
    "reviews": {"zh-CN": "质检明细", "en": "Reviews"},
    "coaching": {"zh-CN": "辅导", "en": "Coaching"},
}

HEADS: Final[Mapping[str, Words]] = {
    "login": {"zh-CN": "登录名", "en": "login"},
    "name": {"zh-CN": "姓名", "en": "name"},
    "month": {"zh-CN": "月份", "en": "month"},
    "calls": {"zh-CN": "计分通数", "en": "calls scored"},
    "points": {"zh-CN": "平均分", "en": "mean points"},
    "points_low": {"zh-CN": "平均分95%下限", "en": "points, 95 % from"},
    "points_high": {"zh-CN": "平均分95%上限", "en": "points, 95 % to"},
    "down": {"zh-CN": "误差线下", "en": "bar down"},
    "up": {"zh-CN": "误差线上", "en": "bar up"},
    "method": {"zh-CN": "区间算法", "en": "interval by"},
    "note": {"zh-CN": "提示", "en": "note"},
    "passed": {"zh-CN": "合格率", "en": "share passed"},
    "passed_low": {"zh-CN": "合格率95%下限", "en": "passed, 95 % from"},
    "passed_high": {"zh-CN": "合格率95%上限", "en": "passed, 95 % to"},
    "fails": {"zh-CN": "一票否决", "en": "automatic fails"},
    "na_share": {"zh-CN": "不适用比例", "en": "share not applicable"},
    "watched": {"zh-CN": "安全抽检（不计分）", "en": "reviewed for safety (not scored)"},
    "watched_fails": {"zh-CN": "其中一票否决", "en": "of these, automatic fails"},
    "disputes": {"zh-CN": "申诉", "en": "disputes"},
    "overturned": {"zh-CN": "改判合格", "en": "overturned"},
    "talks": {"zh-CN": "接听量", "en": "talks"},
    "volume": {"zh-CN": "计入的接听量", "en": "talks that count"},
    "veto": {"zh-CN": "认定投诉", "en": "upheld complaint"},
    "lowest_twice": {"zh-CN": "连续两月最低", "en": "lowest two months running"},
    "week": {"zh-CN": "周（周一）", "en": "week (its Monday)"},
    "item": {"zh-CN": "项目", "en": "item"},
    "text": {"zh-CN": "内容", "en": "words"},
    "pairs": {"zh-CN": "双评对数", "en": "pairs"},
    "agreed": {"zh-CN": "一致率", "en": "same mark"},
    "kappa": {"zh-CN": "加权κ", "en": "weighted kappa"},
    "gate": {"zh-CN": "结论", "en": "what it may be used for"},
    "review": {"zh-CN": "质检编号", "en": "review"},
    "day": {"zh-CN": "日期", "en": "day"},
    "kind": {"zh-CN": "类型", "en": "kind"},
    "part": {"zh-CN": "抽样", "en": "part of the draw"},
    "card": {"zh-CN": "评分表", "en": "scorecard"},
    "failed_items": {"zh-CN": "否决项", "en": "failed items"},
    "is_passed": {"zh-CN": "合格", "en": "passed"},
    "was_disputed": {"zh-CN": "申诉过", "en": "disputed"},
    "cause": {"zh-CN": "起因", "en": "cause"},
    "state": {"zh-CN": "状态", "en": "state"},
    "count": {"zh-CN": "数量", "en": "count"},
}

CODES: Final[Mapping[str, Words]] = {
    "yes": {"zh-CN": "是", "en": "yes"},
    "no": {"zh-CN": "否", "en": "no"},
    "call": {"zh-CN": "通话", "en": "call"},
    "chat": {"zh-CN": "文字会话", "en": "chat"},
    "random": {"zh-CN": "随机（计分）", "en": "random (scored)"},
    "risk": {"zh-CN": "风险（不计分）", "en": "risk (not scored)"},
    "recheck": {"zh-CN": "辅导复查（不计分）", "en": "re-check (not scored)"},
    "impatience": {"zh-CN": "不耐烦", "en": "impatience"},
    "evasion": {"zh-CN": "推诿", "en": "evasion"},
    "over_promise": {"zh-CN": "过度承诺", "en": "over-promise"},
    "unsafe_advice": {"zh-CN": "不安全建议", "en": "unsafe advice"},
    "advertising": {"zh-CN": "广告违禁词", "en": "advertising"},
    "missing": {"zh-CN": "缺少必说用语", "en": "required phrase missing"},
    "score": {"zh-CN": "低于合格分", "en": "below the pass"},
    "auto_fail": {"zh-CN": "一票否决", "en": "automatic fail"},
    "repeated": {"zh-CN": "同一项反复扣分", "en": "same item again"},
    "first_contact": {"zh-CN": "一次解决率偏低", "en": "callers ring again"},
    "new_agent": {"zh-CN": "首月满意度不足95%", "en": "first month below 95 % satisfied"},
    "lowest": {"zh-CN": "连续两月垫底", "en": "lowest two months running"},
    "phrases": {"zh-CN": "同类用语重复", "en": "same kind of phrase twice"},
    "satisfaction": {"zh-CN": "两次低满意度", "en": "low satisfaction twice"},
    "process": {"zh-CN": "流程原因", "en": "process"},
    "wilson": {"zh-CN": "Wilson", "en": "Wilson"},
    "t": {"zh-CN": "t 分布", "en": "Student's t"},
    "none": {"zh-CN": "", "en": ""},
    "upheld": {"zh-CN": "已认定，可申诉", "en": "upheld, may be appealed"},
    "appealed": {"zh-CN": "申诉中", "en": "appealed"},
    "stands": {"zh-CN": "维持", "en": "stands"},
}

TITLES: Final[Mapping[str, Words]] = {
    "pack": {"zh-CN": "{alias} · 质检月报 {month}", "en": "{alias}: quality review of {month}"},
    "points": {"zh-CN": "各客服平均分（误差线为95%区间）", "en": "Mean points by agent, with 95 % intervals"},
    "dimensions": {"zh-CN": "各维度平均分", "en": "Mean points by dimension"},
    "findings": {"zh-CN": "每周词库命中（客服一侧）", "en": "Hits of the phrase list by week, agents' side"},
    "agreement": {"zh-CN": "各项目加权κ", "en": "Weighted kappa by item"},
    "points_axis": {"zh-CN": "分", "en": "points"},
    "hits_axis": {"zh-CN": "次", "en": "hits"},
}

ABOUT: Final[tuple[Words, ...]] = (
    {
        "zh-CN": "只有随机抽样部分的终评计入得分；风险抽样和辅导复查只看安全，从不平均进去。",
        "en": "Only final reviews of the random part of the draw are scored. What was drawn for a risk, or to re-check"
        " coaching, is looked at for safety and never averaged in.",
    },
    {
        "zh-CN": "平均分的区间按 t 分布，合格率的区间按 Wilson 法，均为95%。区间重叠的两个人，这份样本分不出高低。",
        "en": "Intervals are 95 %: Student's t for mean points, Wilson's for shares. Two people whose intervals overlap"
        " cannot be told apart by this sample.",
    },
    {
        "zh-CN": "不适用的项目在本维度内由其余项目分摊；整个维度不适用时，权重按比例归其他维度。",
        "en": "What does not apply leaves its points to the rest of its dimension; one in which nothing applies"
        " leaves its weight to the others in proportion.",
    },
    {
        "zh-CN": "词库命中未经人工判断，仅供参考；本表不含患者资料。",
        "en": "Hits of the phrase list are a machine's, judged by nobody. No patient's data are in this file.",
    },
)

REVIEWED: Final[Mapping[str, Words]] = {
    "final": {"zh-CN": "终评（本月通话）", "en": "final reviews of this month's calls"},
    "pending": {"zh-CN": "尚未终评", "en": "not final yet"},
    "second": {"zh-CN": "双评", "en": "rated by a second person"},
    "dropped": {"zh-CN": "撤销", "en": "dropped"},
}


def code(language: str, word: str) -> str:
    """A code in words; one we have none for is shown as it is."""
    return CODES[word][language] if word in CODES else word


def both(head: str) -> str:
    """A column's head in both languages."""
    return f"{HEADS[head]['zh-CN']} {HEADS[head]['en']}"
