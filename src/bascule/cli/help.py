"""Help texts: examples, then the common options; on request every option, by section. And hints
for mistyped commands."""

from collections.abc import Sequence
from typing import Any

import click

from bascule.cli.parameters import SettingParameter
from bascule.settings.findings import did_you_mean
from bascule.settings.options import COMMON, in_short
from bascule.settings.web_kinds import AN_ADDRESS

WIDTH = 100
COLUMN = 30
HELP_ALL = "--help-all"
SOURCES = (
    "Each option is also a key of bascule.toml, or of [tool.bascule] in pyproject.toml (threads "
    "= 8), and an environment variable (BASCULE_THREADS=8). The command line overrides the "
    "environment, the environment overrides an --env-file, and that overrides the file. bascule "
    "config shows the source of each value."
)

# Command lines, and their effects.
Examples = Sequence[tuple[str, str]]


def write_examples(formatter: click.HelpFormatter, examples: Examples) -> None:
    """Write one example a line, with its effect."""
    width = max(len(typed) for typed, _ in examples)
    for typed, what in examples:
        formatter.write(f"  {typed:{width}}  {what}\n")
    formatter.write("\n")


class SectionedCommand(click.Command):
    """A command whose help shows examples and the common options. With --help-all it shows every
    option, by the sections of the settings table.

    ending: the end of the text of --help-all.
    """

    def __init__(
        self, name: str, *, examples: Examples, about: str, ending: str, **others: Any
    ) -> None:
        super().__init__(name, **others)
        self.examples = examples
        self.about = about
        self.ending = ending
        self.params.append(
            click.Option(
                [HELP_ALL],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=show_everything,
                help="Show every option.",
            )
        )

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse. If one word too many looks like an address, the error says how to give it."""
        try:
            return super().parse_args(context, args)
        except click.UsageError as error:
            # Development servers of other projects take the address as a word of its own.
            extra, _, words = error.message.rstrip(")").partition(" (")
            word = next((one for one in words.split() if AN_ADDRESS.fullmatch(one)), None)
            if "extra argument" not in extra or word is None:
                raise
            where = word if ":" in word else f":{word}"
            text = f"{error.message}; to listen there give --bind {where}"
            raise click.UsageError(text, context) from None

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples and the common options."""
        formatter.write(f"{self.help}\n\n")
        write_examples(formatter, self.examples)
        self.format_usage(context, formatter)
        formatter.write_paragraph()
        formatter.write_text(self.about)
        options = [it for it in self.get_params(context) if isinstance(it, click.Option)]
        with formatter.section("Common options"):
            records = [brief(context, option) for option in options]
            formatter.write_dl([one for one in records if one is not None], COLUMN)
        formatter.write_paragraph()
        formatter.write_text(
            f"{context.command_path} {HELP_ALL} shows all {len(options)} options. Each is also a "
            "key of bascule.toml (threads = 8) and a variable (BASCULE_THREADS=8)."
        )

    def format_everything(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every option."""
        self.format_usage(context, formatter)
        formatter.write_paragraph()
        formatter.write_text(f"{self.help}\n\n{self.about}")
        self.format_options(context, formatter)
        formatter.write_paragraph()
        formatter.write_text(self.ending)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list for each section, then the options of the command itself."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and isinstance(parameter, click.Option):
                section = parameter.section if isinstance(parameter, SettingParameter) else "Other"
                # Padding gives all sections the same columns.
                sections.setdefault(section, []).append((f"{record[0]:{COLUMN}}", record[1]))
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records, col_max=COLUMN)


def brief(context: click.Context, option: click.Option) -> tuple[str, str] | None:
    """Return the line of an option in the short help; None where it has none."""
    record = option.get_help_record(context)
    if record is None:
        return None
    if not isinstance(option, SettingParameter):
        return record[0], record[1].removesuffix(".")
    if option.setting.name not in COMMON:
        return None
    default = (
        f" [{option.shown_default}]" if option.shown_default not in ("", "off", "none") else ""
    )
    return record[0].partition(" / ")[0], f"{in_short(option.setting)}{default}"


def show_everything(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Show the help with every option, and exit."""
    if value and not context.resilient_parsing:
        command = context.command
        if isinstance(command, CommandGroup):
            # The group has no options of its own; show those of `serve`.
            command, context = command.first_command(context)
        assert isinstance(command, SectionedCommand)
        formatter = context.make_formatter()
        command.format_everything(context, formatter)
        click.echo(formatter.getvalue().rstrip("\n"))
        context.exit()


class CommandGroup(click.Group):
    """The commands. If the first word is none of them, it is often a TARGET without a command."""

    examples: Examples = ()

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples before the rest."""
        formatter.write(f"{self.help}\n\n")
        write_examples(formatter, self.examples)
        self.format_usage(context, formatter)
        self.format_options(context, formatter)

    def first_command(self, context: click.Context) -> tuple[click.Command, click.Context]:
        """Return the first command, and a context for its help."""
        name = self.list_commands(context)[0]
        command = self.commands[name]
        return command, click.Context(command, parent=context, info_name=name)

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the commands in the order of their importance, not of the alphabet."""
        return list(self.commands)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or raise UsageError with a hint at the one that was meant."""
        word = args[0]
        if self.get_command(context, word) is None and not word.startswith("-"):
            hint = did_you_mean(word, self.list_commands(context))
            if not hint and (":" in word or "." in word):
                hint = f"; did you mean bascule serve {word}?"
            raise click.UsageError(f"there is no command {word!r}{hint}", context)
        return super().resolve_command(context, args)
