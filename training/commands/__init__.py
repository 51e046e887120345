"""The command line of training: parse, call one library function, print. One file a command or a few.

Mounted on the command `feedrank` by the entry-point group "feedrank.commands". What a command needs is
imported inside it: the service loads these files for the names alone.
"""

import typer

from training.commands import counterfactual, evaluate, examples, experiment, live, simulate, train

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
for part in (live, examples, train, evaluate, counterfactual, experiment, simulate):
    app.add_typer(part.app)
