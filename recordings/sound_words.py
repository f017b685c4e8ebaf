"""Why a recording is not here, cannot be read or was not heard, in both languages. Rows hold codes (core.said)."""

from __future__ import annotations

from typing import Final

from core.said import Table, Words, both, told

WHY: Final[Table] = {
    # the file (recordings.sound.wav, recordings.sound.audio)
    "empty": both("文件是空的", "the file is empty"),
    "no_wav": both("不是WAV文件", "the file is not a WAV file"),
    "no_wav_but": both("不是WAV文件（实为{other}）", "the file is not a WAV file but {other}"),
    "cut_before_sound": both("文件在声音开始之前中断", "the file is cut off before its sound begins"),
    "cut_in_header": both("文件头不完整", "the file is cut off in its header"),
    "endless_header": both("文件头没有结束", "the file's header does not end"),
    "no_coding": both("文件没有注明编码方式", "the file does not say how its sound is coded"),
    "coding": both(
        "不支持的编码（格式{codec}，{bits}位）",
        "the sound is coded in a way we do not read (format {codec}, {bits} bits)",
    ),
    "channels": both("文件有{count}个声道，应为一个或两个", "the file has {count} channels; one or two were expected"),
    "rate": both("采样率{rate}赫兹，不是电话录音", "the file's sampling rate of {rate} Hz is not one of a telephone"),
    "cut_off": both(
        "文件不完整：应有{size}字节声音，只有{there}字节",
        "the file is cut off: {there} of {size} bytes of sound are there",
    ),
    "no_sound": both("文件里没有声音", "the file holds no sound"),
    "length": both(
        "文件长{seconds}秒，而运营商通知的是{announced}秒",
        "the file lasts {seconds} s, but the carrier announced {announced} s",
    ),
    "too_long": both(
        "长{minutes}分钟，超过上限{most}分钟",
        "it lasts {minutes} minutes, more than the {most} of [recordings] max_minutes",
    ),
    # the carrier (recordings.vault.fetch, recordings.search)
    "no_account": both(
        "没有设置运营商账号（TWILIO_ACCOUNT_SID 和 TWILIO_AUTH_TOKEN）",
        "the carrier account is not set (TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN)",
    ),
    "not_yet": both("运营商还没有该文件（404）", "the carrier does not have the file yet (404)"),
    "denied": both("运营商拒绝了我们的账号密码（{status}）", "the carrier refused our credentials ({status})"),
    "redirected": both("运营商转到其他地址，未跟随", "the carrier sent us to another address; not followed"),
    "timeout": both("运营商没有及时答复", "the carrier did not answer in time"),
    "unreached": both("无法连接运营商（{error}）", "the carrier could not be reached ({error})"),
    "status": both("运营商答复{status}", "the carrier answered {status}"),
    "list_status": both("查询录音列表时运营商答复{status}", "the carrier answered {status} when asked for its list"),
    "list_unread": both("无法读取运营商的录音列表", "the carrier's list of recordings could not be read"),
    "no_call_sid": both("通话没有运营商编号，无法查找录音", "the call has no carrier SID to look recordings up by"),
    "too_large": both("文件超过{most}兆字节", "the file is larger than {most} MB"),
    "packed": both("运营商发来的是压缩文件", "the carrier sent the file packed"),
    "too_slow": both("运营商传送太慢", "the carrier sent the file too slowly"),
    "broke_off": both("文件没有传完，连接中断", "the connection broke before the whole file had come"),
    "absent": both("运营商通知：没有录音", "the carrier says absent"),
    "absent_code": both("运营商通知：没有录音（错误{code}）", "the carrier says absent (error {code})"),
    "failed": both("运营商通知：录音失败", "the carrier says failed"),
    "failed_code": both("运营商通知：录音失败（错误{code}）", "the carrier says failed (error {code})"),
    "listed_absent": both("运营商列表中注明没有录音", "the carrier lists it as absent"),
    "listed_deleted": both("运营商列表中注明已删除", "the carrier lists it as deleted"),
    "not_recorded": both("运营商没有这条录音", "the carrier has no recording of it"),
    "after_all": both("运营商后来有了该录音", "the carrier has it after all"),
    # speech to text; the detail is the server's own, for the hospital's IT
    "no_speech_model": both("没有可用的语音模型：{detail}", "{detail}"),
    "engine": both("语音识别出错：{detail}", "{detail}"),
    "file": both("录音文件无法读取：{detail}", "{detail}"),
}


def why(stored: str, language: str) -> str:
    """A row's reason; one that is older than its code is a sentence and told as it is."""
    return told(stored, WHY, language)


def both_ways(stored: str) -> Words:
    """The same as a value of a refusal."""
    return {language: why(stored, language) for language in ("zh-CN", "en")}
