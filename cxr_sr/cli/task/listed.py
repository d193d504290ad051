"""`cxr-sr task list`: the heads that come with cxr-sr, or the facts about your own."""

from typing import TYPE_CHECKING, Annotated

from typer import Argument

from cxr_sr.cli import output
from cxr_sr.cli.errors import DONE
from cxr_sr.cli.options import Json

if TYPE_CHECKING:
    from cxr_sr.tasks.spec import HeadSpec

COLUMNS = ["head", "kind", "classes", "trunk", "licence", "data", "SHA-256"]
Heads = Annotated[
    list[str] | None,
    Argument(
        metavar="[NAME|RUN]...",
        help="Heads, such as lungs, or run folders of `cxr-sr task train` "
        "[default: all that come with cxr-sr].",
        show_default=False,
    ),
]


def listed(names: Heads = None, *, as_json: Json = False) -> int:
    """List heads with kind, classes, trunk, licence, training data and hash."""
    from cxr_sr.tasks.heads import SHIPPED, load_head

    specs = [load_head(name).spec for name in names or SHIPPED]
    rows = [row(spec) for spec in specs]
    output.listing(specs, COLUMNS, rows, as_json=as_json)
    return DONE


def row(spec: "HeadSpec") -> list[str]:
    """Return the row of a head."""
    data = [
        f"{d['n']} images ({d['licence']}; masks {d['mask_licence'] or '-'})"
        for d in spec.training.get("data", [])
    ]
    return [
        spec.name,
        spec.kind,
        ", ".join(spec.classes),
        spec.trunk,
        spec.licence or "not stated",
        "; ".join(data),
        spec.sha256,
    ]
