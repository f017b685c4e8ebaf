"""What the vault refuses (docs/design.md section 5, recording), in both languages. Pure."""

from __future__ import annotations

from typing import Final

from core.said import Said, Table, both

SENTENCES: Final[Table] = {
    # ---- hearing and reading
    "no_right_listen": both("您没有收听录音的权限。", "You have no right to listen to recordings."),
    "no_right_original": both("您没有收听未屏蔽录音的权限。", "You have no right to hear recordings unmasked."),
    "no_right_read": both("您没有查看未屏蔽文字的权限。", "You have no right to read transcripts unmasked."),
    "no_right_held": both(
        "该录音处于法律保全中，您无权进行此操作。",
        "You have no right to hear or read recordings that are under a legal hold.",
    ),
    "no_right_export": both("您没有导出录音的权限。", "You have no right to take recordings away."),
    "no_right_approve": both("您没有批准导出的权限。", "You have no right to approve exports."),
    "why_hear": both("请说明收听原因。", "Say why you want to hear this recording."),
    "why_read": both("请说明查看未屏蔽文字的原因。", "Say why you want to read the words unmasked."),
    "no_recording": both("没有这条录音。", "There is no such recording."),
    "purged": both("该录音已到保存期限并删除。", "This recording was deleted at the end of its keeping time."),
    "nothing_to_hear": both("该录音没有可听的内容。", "There is nothing to hear: this recording is {state}."),
    "nothing_to_read": both("该录音没有文字记录。", "There is nothing to read: this recording is {state}."),
    "unreadable": both(
        "录音无法读取：{detail}。请联系信息科。", "The sound of this recording cannot be read: {detail}."
    ),
    "over": both("收听许可已过期，请重新说明原因。", "This permission to listen is over: say why once more."),
    # ---- copies to take away
    "no_request": both("没有这项导出申请，或申请已过期。", "There is no such request for an export, or it is too old."),
    "not_own": both("您自己申请的导出须由另一人批准。", "Somebody else has to approve the export you asked for."),
    "approved_already": both("该导出已经批准。", "This export is approved already."),
    "only_asker": both("只有申请人可以取走该导出。", "Only who asked for the export may take it."),
    "waits": both("该导出还在等另一人批准。", "The export waits for a second person to approve it."),
    "taken": both("该导出已被取走，如仍需要请重新申请。", "This export was taken already: ask for another."),
    # ---- legal holds
    "why_hold": both("请说明保全原因。", "A hold needs a reason."),
    "why_release": both("请说明解除保全的原因。", "A release needs a reason."),
    # of a recording or a chat
    "nothing_to_hold": both("没有这条录音或聊天记录。", "There is no such recording, and no such chat."),
    "purged_no_hold": both("已到保存期限并删除，无法保全。", "It was purged: there is nothing left to hold."),
    "not_held": both("未处于法律保全中。", "It is not held."),
    "held_stays": both("该录音处于法律保全中，不能删除。", "This recording is held and stays."),
}


class ListeningProblem(Said):
    """Why somebody may not hear or read this."""

    SENTENCES = SENTENCES


class HoldProblem(Said):
    """Why a hold cannot be set or ended."""

    SENTENCES = SENTENCES
