from __future__ import annotations

import time

import pytest

from graft.errors import BadInput
from graft.models import templates
from graft.models.templates import BoundedTemplate, TemplateRefused

MESSAGES = {"messages": [{"role": "system", "content": "Be brief."}], "x": [1, 2, 3]}


def rendered(source):
    return BoundedTemplate(source).render(MESSAGES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for m in messages %}{{ m.role }} {{ m['content'] }}{% endfor %}", "system Be brief."),
        ("{{ messages[0].content | trim | upper ~ '!' ~ 1 }}", "BE BRIEF.!1"),
        ("{{ 'a' + 'b' }}{{ 1 + 2 * 3 }}{{ x | length }}{{ x[1:] | join('-') }}", "ab732-3"),
        ("{% for i in x %}{{ loop.index }}{% if loop.last %}.{% endif %}{% endfor %}", "123."),
        ("{% for i in x %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "1"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        ("{% set n = namespace(v=0)%}{% for i in x%}{% set n.v = n.v+i%}{% endfor %}{{n.v}}", "6"),
        ("{% macro say(a) %}<{{ a }}>{% endmacro %}{{ say('b') }}{{ say(2) }}", "<b><2>"),
        ("{{ messages[0].content.split('.')[0].replace('Be', 'Stay').strip() }}", "Stay brief"),
        ("{{ messages | tojson }}", '[{"role": "system", "content": "Be brief."}]'),
        ("{{ 'in' if 'x' in ['x', 'y'] else 'out' }}{{ none }}{{ y is defined }}", "inFalse"),
        ("{% if messages[0].role not in ['system'] %}{{ raise_exception('no') }}{% endif %}", ""),
    ],
)  # fmt: skip
def test_what_published_templates_do_is_rendered(source, text):
    assert rendered(source) == text


NESTED = "{% for a in range(99999) %}{% for b in range(99999) %}BODY{% endfor %}{% endfor %}"
DOUBLED = (
    "{% set ns = namespace(s=START) %}{% for i in range(99) %}{% set ns.s = BODY %}{% endfor %}"
)
BOMBS = {
    "nested loops": NESTED.replace("BODY", ""),
    "nested loops that write": NESTED.replace("BODY", "xxxxxxxxxx"),
    "doubled with ~": DOUBLED.replace("START", "'ab'").replace("BODY", "ns.s ~ ns.s"),
    "doubled with +": DOUBLED.replace("START", "'ab'").replace("BODY", "ns.s + ns.s"),
    "lists doubled": DOUBLED.replace("START", "[1]").replace("BODY", "ns.s + ns.s"),
    "lists within lists": DOUBLED.replace("START", "[1]").replace("BODY", "[ns.s, ns.s]"),
    "numbers doubled": DOUBLED.replace("START", "3").replace("BODY", "ns.s * ns.s"),
    "a join": DOUBLED.replace("START", "'ab'").replace("BODY", "[ns.s, ns.s] | join(ns.s)"),
    "a method join": DOUBLED.replace("START", "'ab'").replace("BODY", "ns.s.join([ns.s, ns.s])"),
    "a replacement": DOUBLED.replace("START", "'aa'").replace("BODY", "ns.s | replace('a', ns.s)"),
    "a method replace": DOUBLED.replace("START", "'aa'").replace("BODY", "ns.s.replace('a', ns.s)"),
    "what is caught": "{% set s = 'ab' %}" + "{% set s %}{{ s }}{{ s }}{% endset %}" * 99,
    "a macro of itself": "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "macros that branch": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}"
    "{% endmacro %}{{ m(60) }}",
    "blocks that branch": "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "a loop of itself": "{% for i in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    "a long template": "{{ 1 }}" * 40_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_case_51_an_endless_or_huge_template_ends_in_an_error(name):
    started = time.monotonic()
    with pytest.raises((TemplateRefused, ValueError)):
        rendered(BOMBS[name])
    assert time.monotonic() - started < templates.MAX_SECONDS + 3


REACHES = {
    "repeated text": "{{ 'a' * 10000000000 }}",
    "a repeated list": "{{ [1] * 1000000000 }}",
    "a power": "{{ 10 ** 1000000000 }}",
    "a width": "{{ '%999999999d' % 1 }}",
    "a method with a width": "{{ 'a'.center(9999999999) }}",
    "a format with a width": "{{ '{:>9999999999}'.format(1) }}",
    "a filter with a width": "{{ 'a' | center(9999999999) }}",
    "an indent": "{{ 'a' | indent(9999999999) }}",
    "made-up words": "{{ lipsum(999999999) }}",
    "a long range": "{{ range(99999999) | list }}",
    "its class": "{{ messages.__class__.__mro__ }}",
    "a class by a filter": "{{ messages | attr('__class__') }}",
    "a change": "{{ messages.append(1) }}",
    "another file": "{% include 'config.json' %}",
    "its own environment": "{{ self._TemplateReference__context.environment }}",
    "no template": "{% for %}",
    "a broken number": "{{ 1 / 0 }}",
}


@pytest.mark.parametrize("name", REACHES)
def test_case_51_a_template_gets_no_more_than_it_needs(name):
    with pytest.raises((TemplateRefused, ValueError)):
        rendered(REACHES[name])


def test_a_loop_in_threads_has_a_budget_each():
    source = "{% for i in range(60000) %}{% endfor %}done"
    template = BoundedTemplate(source)
    assert {template.render({}) for _ in range(5)} == {"done"}


def test_time_is_bounded_whatever_the_steps_cost(monkeypatch):
    monkeypatch.setattr(templates, "MAX_SECONDS", 0.05)
    slow = "{% for i in range(99999) %}{% set s = range(20000) | list %}{% endfor %}"
    with pytest.raises(TemplateRefused, match="refused") as caught:
        rendered(slow)
    assert "seconds" in caught.value.why


def test_a_template_may_refuse_in_its_own_words():
    with pytest.raises(BadInput, match="refused the messages") as caught:
        rendered("{{ raise_exception('no tools') }}")
    assert caught.value.why == "no tools"
