"""Sections of rows as one HTML page that prints on A4 and reads on a telephone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment

Row = dict[str, str]


@dataclass(frozen=True)
class Section:
    title: str
    rows: Sequence[Row]
    loud: bool = False
    """What must not be overlooked."""


@dataclass(frozen=True)
class Page:
    title: str
    head: Sequence[tuple[str, str]]
    """Label and value; the first is the name, without a label."""
    sections: Sequence[Section]
    language: str


_HTML = """<!doctype html>
<html lang="{{ page.language }}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title>
<style>
@page { size: A4; margin: 10mm 12mm; }
* { box-sizing: border-box; }
body { font: 9pt/1.3 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei",
       sans-serif; color: #111; margin: 0 auto; max-width: 186mm; padding: 4mm 0; }
header { border-bottom: 1.5pt solid #111; padding-bottom: 2mm; margin-bottom: 2mm; }
h1 { font-size: 10pt; font-weight: 600; margin: 0; color: #444; letter-spacing: .04em; }
.name { font-size: 16pt; font-weight: 700; margin: 0 6mm 0 0; }
dl { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 6mm; margin: 1mm 0 0; }
dl div { display: flex; gap: 1.5mm; }
dl div.wide { flex-basis: 100%; }
dt { color: #555; } dt::after { content: ":"; }
dd { margin: 0; font-weight: 600; }
section { margin: 2mm 0 0; }
h2 { font-size: 9pt; margin: 0 0 .8mm; }
section.loud h2::before { content: "! "; }
section.loud { border-left: 2.5pt solid #b00020; padding-left: 2.5mm; }
section.loud h2 { color: #b00020; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .45mm 2mm .45mm 0; border-bottom: .4pt solid #bbb;
         overflow-wrap: anywhere; }
th { font-weight: 600; color: #555; font-size: 8pt; white-space: nowrap; }
td.short { white-space: nowrap; }
thead { display: table-header-group; } tr { break-inside: avoid; } h2 { break-after: avoid; }
@media screen and (max-width: 600px) { body { font-size: 14px; padding: 3mm; } section { overflow-x: auto; } }
@media print { body { padding: 0; max-width: none; -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
</style>
</head>
<body>
<header>
<h1>{{ page.title }}</h1>
<dl>
{%- for label, value in page.head %}
{%- if not label %}<div><dd class="name">{{ value }}</dd></div>
{%- else %}<div{% if loop.index > 3 and value|length > 40 %} class="wide"{% endif %}><dt>{{ label }}</dt>
<dd>{{ value }}</dd></div>{% endif %}
{%- endfor %}
</dl>
</header>
{%- for section in page.sections %}
<section{% if section.loud %} class="loud"{% endif %}>
<h2>{{ section.title }}</h2>
<table>
<thead><tr>{% for head in section.rows[0] %}<th>{{ head }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for row in section.rows %}
<tr>
{%- for cell in row.values() %}<td{% if cell|length <= 14 %} class="short"{% endif %}>{{ cell }}</td>{% endfor -%}
</tr>
{%- endfor %}
</tbody>
</table>
</section>
{%- endfor %}
</body>
</html>
"""


def html(made: Page) -> str:
    """One self-contained document: no script, nothing fetched, everything escaped."""
    return Environment(autoescape=True).from_string(_HTML).render(page=made)
