"""Why somebody rings, in an agent's words: heard before the call is taken, nothing of who it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    # dialer.machine.REASONS
    "appointment": {"zh-CN": "预约", "en": "an appointment"},
    "postop": {"zh-CN": "术后不适", "en": "a problem after surgery"},
    "theme": {"zh-CN": "本期活动", "en": "the season's offer"},
    "services": {"zh-CN": "就医咨询", "en": "general services"},
    "complaint_medical": {"zh-CN": "医疗投诉", "en": "a complaint about treatment"},
    "complaint_other": {"zh-CN": "服务投诉", "en": "a complaint about service"},
    "progress": {"zh-CN": "查询工单进度", "en": "progress of a ticket"},
    "department": {"zh-CN": "科室咨询", "en": "a department"},
    "directions": {"zh-CN": "问路", "en": "directions"},
    "message": {"zh-CN": "留言", "en": "a message"},
    "operator": {"zh-CN": "找人工", "en": "asked for a person"},
}
TONGUES: Mapping[str, Mapping[str, str]] = {
    # language of the caller: its name in each language
    "zh-CN": {"zh-CN": "普通话", "en": "Mandarin"},
    "en": {"zh-CN": "英语", "en": "English"},
}
