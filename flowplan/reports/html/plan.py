"""The plan document -> HTML for a notebook. Every text in it is escaped: names and answers come from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment

from flowplan.reports.text.cost import cost_line, costs
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.plan import summary, symbol_of

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import PlanBody

_PAGE = """\
<div class="flowplan">
<p><b>{{ summary }}</b></p>
{% if changes %}<table>
<tr><th></th><th>resource</th><th>why</th><th>cost</th></tr>
{% for one in changes %}<tr><td><code>{{ one.symbol }}</code></td><td>{{ one.address }}</td><td>{{ one.why }}</td>
<td>{{ one.cost }}</td></tr>
{% endfor %}</table>
{% endif %}{% if costs %}<pre>{{ costs }}</pre>
{% endif %}{% for one in diagnostics %}<p><b>{{ one.severity }}:</b> {{ one.summary }}
{%- if one.hint %}<br><i>hint: {{ one.hint }}</i>{% endif %}</p>
{% endfor %}</div>
"""


def html(document: PlanBody) -> str:
    """What would be done, what it costs and what is said about it."""
    paint = Paint(on=False)
    changing = [one for one in document["resource_changes"] if symbol_of(one)]
    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(
        summary=summary(document, changing, paint).strip(),
        changes=[
            {
                "symbol": symbol_of(one),
                "address": one["address"],
                "why": one["note"] or (one["action_reason"] or "").replace("_", " "),
                "cost": cost_line(one).strip(),
            }
            for one in changing
        ],
        costs=costs(document, paint),
        diagnostics=document["diagnostics"],
    )
