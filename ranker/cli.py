"""The command line: parse, call one thing, print.

Commands of other packages are mounted through the entry-point group "feedrank.commands", so that the service
does not import them.
"""

import json
import os
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Any

import feedrank
import typer
from google.protobuf.json_format import MessageToDict

from ranker import access_commands, backup_commands, model_commands
from ranker.errors import FeedrankError, InvalidArgument, NotFound, SettingsError
from ranker.secret import masked
from ranker.terminal import DEFAULT_ADDRESS, Address, Json, console, document_of, print_json, table

app = typer.Typer(
    name="feedrank",
    help="Ranks the timelines of a social network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(model_commands.app, name="models")
app.add_typer(backup_commands.app)
app.add_typer(access_commands.app, name="token")
app.command()(access_commands.audit)


@app.callback()
def connection(
    ca: Annotated[str, typer.Option(help='PEM file of the server\'s authority, or "system".')] = "",
    certificate: Annotated[str, typer.Option(help="PEM file of a certificate, for mutual TLS.")] = "",
    key: Annotated[str, typer.Option(help="PEM file of its key.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="A file that holds a token.")] = None,
) -> None:
    """Ranks the timelines of a social network.

    Commands that call a server take these, or FEEDRANK_CA, _CERTIFICATE, _KEY and FEEDRANK_TOKEN.

    Example: feedrank --ca ca.pem --token-file token status --address feed.example:50051
    """
    given = {"CA": ca, "CERTIFICATE": certificate, "KEY": key, "TOKEN": _token_in(token_file)}
    os.environ.update({f"FEEDRANK_{name}": value for name, value in given.items() if value})


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="The data folder.")] = None,
    address: Annotated[str | None, typer.Option(help="Where to listen: host:port or unix:/path.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Where to serve Prometheus metrics: host:port.")] = None,
    journal: Annotated[
        str | None, typer.Option(help="A journal server of yours: redis://host:port/0.")
    ] = None,
    embedder: Annotated[bool | None, typer.Option(help="Run the embedder.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the port; each has its metrics at the next port.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_json: Annotated[bool, typer.Option(help="Log JSON lines.")] = False,
) -> None:
    """Start the service, with its own Valkey and embedder.

    A client's connection stays with one worker: open several channels to use all.

    Example: feedrank serve --data ./feedrank-data --metrics 127.0.0.1:9400
    Example: feedrank serve --workers 4
    """
    from ranker import settings
    from ranker.logs import set_up
    from ranker.server.run import serve as run

    set_up(log_level, as_json=log_json)
    server = _given(address=address, metrics_address=metrics, workers=workers)
    overrides = _given(data=data, journal=journal, server=server or None)
    if embedder is not None:
        overrides["embedder"] = {"enabled": embedder}
    run(settings.load(config, **overrides), logs={"level": log_level, "as_json": log_json})


@app.command()
def timeline(
    viewer: Annotated[str, typer.Argument(help="The viewer's id.")],
    address: Address = DEFAULT_ADDRESS,
    surface: Annotated[
        str, typer.Option(help=f"One of {', '.join(feedrank.names(feedrank.Surface))}.")
    ] = "for_you",
    size: Annotated[int, typer.Option(help="Posts.")] = 20,
    community: Annotated[str, typer.Option(help="For the surface community.")] = "",
    again: Annotated[bool, typer.Option(help="Also what was served or seen before.")] = False,
    explain: Annotated[str, typer.Option(help="A post id: tell where it stands instead.")] = "",
    as_json: Json = False,
) -> None:
    """Print a viewer's timeline with source and reason, or explain one post.

    Example: feedrank timeline ines --size 10
    Example: feedrank timeline ines --explain p000012
    """
    with feedrank.Client(address) as client:
        if explain:
            told = client.explain_post(
                viewer, explain, surface=surface, size=size, community_id=community, include_seen=again
            )
            print_json(document_of(told)) if as_json else _print_explanation(told)
        else:
            page = client.timeline(
                viewer, surface=surface, size=size, community_id=community, include_seen=again
            )
            print_json(document_of(page)) if as_json else _print_timeline(page)


@app.command()
def status(address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Print how the server is.

    Example: feedrank status --address 127.0.0.1:50051
    """
    with feedrank.Client(address) as client:
        told = client.status()
    if as_json:
        return print_json(document_of(told))
    facts = MessageToDict(told, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    memory = facts.pop("memory")
    shown = table("", "")
    for name, value in facts.items():
        shown.add_row(name.replace("_", " "), str(value))
    console.print(shown)
    sizes = table("structure", "rows", "MiB")
    for row in memory[:12]:
        sizes.add_row(row["structure"], row["rows"], f"{int(row['bytes']) / 2**20:.1f}")
    return console.print(sizes)


@app.command()
def config(
    file: Annotated[Path | None, typer.Option("--config", help="A TOML file of settings.")] = None,
    schema: Annotated[bool, typer.Option(help="Print the JSON schema.")] = False,
) -> None:
    """Print every setting with its value and meaning.

    Example: feedrank config --config feedrank.toml
    """
    from ranker import settings

    if schema:
        return print(json.dumps(settings.Settings.model_json_schema(), indent=2))  # noqa: T201
    shown = table("setting", "value", "meaning")
    for row in settings.described(settings.load(file)):
        shown.add_row(*row)
    return console.print(shown)


@app.command(name="version")
def show_version() -> None:
    """Print the version.

    Example: feedrank version
    """
    console.print(f"feedrank {version('feedrank')}")


def main() -> None:
    """Run the command line. An error on purpose is one sentence; a wrong argument exits with 2."""
    from ranker.logs import set_up

    set_up("warning", as_json=False)  # what a command prints is for machines too: logs go elsewhere
    for point in entry_points(group="feedrank.commands"):
        app.add_typer(point.load())
    try:
        app()
    except (FeedrankError, feedrank.Error) as error:
        print(f"feedrank: {masked(str(error))}", file=sys.stderr)  # noqa: T201
        wrong = isinstance(error, feedrank.InvalidArgument | InvalidArgument | NotFound | SettingsError)
        sys.exit(2 if wrong else 1)


def _token_in(file: Path | None) -> str:
    try:
        return file.read_text().strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} can't be read: name a file that holds a token") from error


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _print_timeline(page: feedrank.GetTimelineResponse) -> None:
    shown = table("", "post", "author", "score", "source", "why")
    for post in page.posts:
        shown.add_row(
            str(post.position + 1),
            post.post_id,
            post.author_id,
            f"{post.score:.3f}",
            post.source,
            post.reason.text,
        )
    console.print(shown)
    console.print(f"model {page.model_version}, request {page.request_id}")
    for one in page.degraded:
        console.print(f"degraded: {one.stage} {one.reason}")


def _print_explanation(told: feedrank.ExplainPostResponse) -> None:
    console.print(told.text)
    for title, words in (("filters", told.filters), ("sources", told.sources)):
        if words:
            console.print(f"{title}: {', '.join(words)}")
    if told.post.post_id:
        console.print(f"why: {told.post.reason.text}")
        chances = table("head", "probability")
        for chance in told.post.probabilities:
            chances.add_row(chance.head, f"{chance.probability:.4f}")
        console.print(chances)
        for factor in told.post.factors:
            console.print(f"factor {factor.name}: {factor.value:.3f}")
    values = table("feature", "value", "meaning")
    for feature in told.features:
        values.add_row(
            feature.name, f"{feature.value:.4g}" if feature.HasField("value") else "—", feature.meaning
        )
    console.print(values)
