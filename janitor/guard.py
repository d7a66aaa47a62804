"""Guards against deleting too many Services at once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from janitor.verdict import Cluster, Judgement, Verdict


@dataclass(frozen=True)
class MaxDelete:
    """How many Services one run may delete: a number, or a share (0 to 100) of those with a known node."""

    number: int
    percent: bool

    def of(self, known: int) -> int:
        """The limit if `known` Services have a known node. A share is rounded down."""
        return known * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        """The text of the setting."""
        return f"{self.number}%" if self.percent else str(self.number)


def refusal(judgements: Sequence[Judgement], cluster: Cluster, limit: MaxDelete | None) -> str | None:
    """Why nothing may be deleted; None if the deletions may begin."""
    if not cluster.nodes:
        return "the API server lists no nodes at all; check which server this is"
    verdicts = [judgement.verdict for judgement in judgements]
    known = len(verdicts) - verdicts.count(Verdict.UNKNOWN)
    most = limit.of(known) if limit else (known + 1) // 2
    deletions = verdicts.count(Verdict.DELETE)
    if deletions <= most:
        return None
    return (
        f"{deletions} of {known} Services with a known node would be deleted, the limit is {most}; "
        "if that is right, raise --max-delete"
    )
