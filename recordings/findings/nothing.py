"""Whether somebody said that there is nothing to say, and nothing else. Pure.

The forms are data (`nothing` of the phrase lists): an answer ("no", "I'm fine", 没有了), and what may stand about one
(thanks, goodbyes, "um"). The whole text must come apart into them, with one answer at least; whatever is left over, and
a text that only thanks, is for a person to read. Thanks alone are no answer: an engine writes them over noise.
"""

from __future__ import annotations

from recordings.findings.lexicon_list import CUT, Lexicon


def is_said(text: str, lexicon: Lexicon) -> bool:
    plain = lexicon.normal(text)
    plain = plain.replace(CUT, "") if lexicon.by_characters else f" {' '.join(plain.replace(CUT, ' ').split())} "
    # How far the forms reach, without an answer among them and with one: each place once, so the work is linear.
    reached, answered = {0}, set[int]()
    end = len(plain) if lexicon.by_characters else len(plain) - 1
    for at in range(end):
        if at not in reached and at not in answered:
            continue
        for form, is_answer in lexicon.nothing_forms:
            if plain.startswith(form, at):
                # an English form has a blank at either end, and shares it with its neighbour
                stop = at + len(form) - (not lexicon.by_characters)
                if is_answer or at in answered:
                    answered.add(stop)
                if at in reached and not is_answer:
                    reached.add(stop)
    return end in answered
