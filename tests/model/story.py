"""A schedule, told in plain English."""

from collections.abc import Iterator

from tests.model.explore import Found
from tests.model.world import Step


def story(found: Found) -> str:
    """The steps to what broke, and what broke."""
    lines = [f"{number:3}. {_line(step)}" for number, step in enumerate(found.story, 1)]
    return "\n".join([*lines, *(f"  => {each}" for each in found.broken)])


def _line(step: Step) -> str:
    return " ".join(filter(None, _words(step)))


def _words(step: Step) -> Iterator[str]:
    yield f"{step.who}:" if step.what else step.who
    yield step.what
    if step.reply:
        answered = step.reply.json
        yield f"-> {step.reply.status} {answered.get('reason', '')}".rstrip()
        if "items" in answered:
            yield f"({', '.join(item['metadata']['name'] for item in answered['items']) or 'none'})"
    elif step.actor >= 0:
        yield "-> no answer arrives, but the request is still under way"
