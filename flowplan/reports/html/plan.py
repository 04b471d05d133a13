"""The plan document -> HTML: a part of a notebook. Every text in it is escaped: names and answers come from
outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment

from flowplan.reports.text.actions import symbol_of
from flowplan.reports.text.cost import cost_line, costs
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.plan import drift, moves, summary
from flowplan.reports.text.what_if import what_if

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import PlanBody

_PART = """\
<div class="flowplan">
{% if drift %}<pre>{{ drift }}</pre>
{% endif %}<p><b>{{ summary }}</b></p>
{% if changes %}<table>
<tr><th></th><th>resource</th><th>why</th><th>cost</th></tr>
{% for one in changes %}<tr><td><code>{{ one.symbol }}</code></td><td>{{ one.address }}</td><td>{{ one.why }}</td>
<td>{{ one.cost }}</td></tr>
{% endfor %}</table>
{% endif %}{% for figures in figures %}<pre>{{ figures }}</pre>
{% endfor %}{% for one in diagnostics %}<p><b>{{ one.severity }}:</b> {{ one.summary }}
{%- if one.hint %}<br><i>hint: {{ one.hint }}</i>{% endif %}</p>
{% endfor %}</div>
"""


def html(document: PlanBody) -> str:
    """What would be done, what it costs and what is said about it."""
    paint = Paint(on=False)
    changing = [one for one in document["resource_changes"] if symbol_of(one)]
    simulated = what_if(document["what_if"], paint) if "what_if" in document else ""
    return _filled(
        _PART,
        drift="\n\n".join(
            filter(None, (drift(document["resource_drift"], paint), moves(document["resource_changes"], paint)))
        ),
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
        figures=[text for text in (costs(document, paint), simulated) if text],
        diagnostics=document["diagnostics"],
    )


def _filled(template: str, **values: object) -> str:
    return Environment(autoescape=True).from_string(template).render(**values)
