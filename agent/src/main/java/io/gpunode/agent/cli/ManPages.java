package io.gpunode.agent.cli;

import io.gpunode.agent.config.ConfigSchema;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** Manual pages, one for each command, made from the same tree as the commands' help. In the macros of man(7). */
final class ManPages {
    private static final String SECTION = "1";

    private final CommandLine line;
    private final String date;
    private final StringBuilder out = new StringBuilder();

    private ManPages(CommandLine line, String date) {
        this.line = line;
        this.date = date;
    }

    /**
     * Every page by its file's name, such as {@code gpu-node-agent-mig-plan.1}.
     *
     * @param root the whole command tree
     * @param date the day in the foot of each page, as {@code 2026-11-22}
     */
    static SequencedMap<String, String> of(CommandLine root, String date) {
        TreeMap<String, String> pages = new TreeMap<>();
        add(root, date, pages);
        return pages;
    }

    private static void add(CommandLine line, String date, Map<String, String> pages) {
        CommandSpec spec = line.getCommandSpec();
        if (isLeftOut(spec)) {
            return;
        }
        pages.put(name(spec) + "." + SECTION, new ManPages(line, date).page());
        for (CommandLine sub : line.getSubcommands().values()) {
            add(sub, date, pages);
        }
    }

    /** {@code help} says nothing that the pages do not say. */
    private static boolean isLeftOut(CommandSpec spec) {
        return spec.usageMessage().hidden() || spec.userObject() instanceof CommandLine.HelpCommand;
    }

    private static String name(CommandSpec spec) {
        return spec.qualifiedName("-");
    }

    private String page() {
        CommandSpec spec = line.getCommandSpec();
        heading(spec);
        section("SYNOPSIS");
        out.append(".B ").append(text(spec.qualifiedName())).append('\n');
        String synopsis = line.getHelp().synopsis(0).strip();
        line(synopsis.substring(spec.qualifiedName().length()).strip());
        description(spec);
        arguments(spec.positionalParameters());
        options(spec.options());
        commands();
        exitStatus(spec);
        if (spec.parent() == null) {
            files();
        }
        seeAlso(spec);
        return out.toString();
    }

    private void heading(CommandSpec spec) {
        String name = name(spec);
        out.append(".TH ")
                .append(text(name.toUpperCase(java.util.Locale.ROOT)))
                .append(' ')
                .append(SECTION)
                .append(" \"")
                .append(date)
                .append("\" \"")
                .append(Main.NAME)
                .append("\" \"GPU node agent\"\n");
        section("NAME");
        String[] description = spec.usageMessage().description();
        String first = description.length == 0 ? "" : plain(description[0]);
        int end = first.indexOf(". ");
        String summary = end < 0 ? first : first.substring(0, end);
        if (summary.endsWith(".")) {
            summary = summary.substring(0, summary.length() - 1);
        }
        out.append(text(name)).append(" \\- ").append(text(summary)).append('\n');
    }

    private void description(CommandSpec spec) {
        section("DESCRIPTION");
        paragraphs(spec.usageMessage().description());
        paragraphs(spec.usageMessage().footer());
    }

    private void paragraphs(String[] texts) {
        boolean apart = !out.toString().endsWith(".SH DESCRIPTION\n");
        boolean wasLine = false;
        for (String each : texts) {
            String text = plain(each);
            if (text.isBlank()) {
                apart = true;
                continue;
            }
            if (apart) {
                out.append(".PP\n");
            } else if (wasLine) {
                out.append(".br\n");
            }
            line(text);
            apart = false;
            wasLine = true;
        }
    }

    private void arguments(List<PositionalParamSpec> arguments) {
        boolean none = true;
        for (PositionalParamSpec argument : arguments) {
            if (!argument.hidden()) {
                if (none) {
                    section("ARGUMENTS");
                }
                none = false;
                out.append(".TP\n.I ").append(text(argument.paramLabel())).append('\n');
                line(plain(String.join(" ", argument.description())));
            }
        }
    }

    private void options(List<OptionSpec> options) {
        section("OPTIONS");
        for (OptionSpec option : options) {
            if (option.hidden()) {
                continue;
            }
            List<String> names = new ArrayList<>();
            for (String name : option.names()) {
                names.add("\\fB" + text(name) + "\\fR");
            }
            out.append(".TP\n").append(String.join(", ", names));
            if (option.arity().max() > 0) {
                boolean optional = option.arity().min() == 0;
                out.append(optional ? " [" : " ")
                        .append("\\fI")
                        .append(text(option.paramLabel()))
                        .append("\\fR")
                        .append(optional ? "]" : "");
            }
            out.append('\n');
            line(plain(String.join(" ", option.description())));
        }
    }

    private void commands() {
        boolean none = true;
        for (CommandLine sub : line.getSubcommands().values()) {
            CommandSpec command = sub.getCommandSpec();
            if (!isLeftOut(command)) {
                if (none) {
                    section("COMMANDS");
                }
                none = false;
                String[] description = command.usageMessage().description();
                out.append(".TP\n.BR ")
                        .append(text(name(command)))
                        .append(" (")
                        .append(SECTION)
                        .append(")\n");
                line(description.length == 0 ? "See its page." : plain(description[0]));
            }
        }
    }

    private void exitStatus(CommandSpec spec) {
        if (!spec.subcommands().isEmpty() && spec.parent() != null) {
            return;
        }
        section("EXIT STATUS");
        for (ExitCode code : ExitCode.values()) {
            out.append(".TP\n.B ").append(code.code()).append('\n');
            line(code.meaning());
        }
    }

    private void files() {
        section("FILES");
        out.append(".TP\n.I ").append(text(ConfigSchema.DEFAULT_FILE)).append('\n');
        line("The configuration. Packages install one that explains every setting and sets none.");
        out.append(".TP\n.I /var/lib/gpu\\-node\\-agent\n");
        line("What outlives a restart.");
        out.append(".TP\n.I /run/gpu\\-node\\-agent\n");
        line("The socket by which commands ask the running agent.");
        out.append(".TP\n.I /var/cache/gpu\\-node\\-agent\n");
        line("The start-up cache; gpu-node-agent-cache makes it again.");
    }

    private void seeAlso(CommandSpec spec) {
        List<String> others = new ArrayList<>();
        if (spec.parent() != null) {
            others.add(name(spec.parent()));
            for (CommandSpec each : siblings(spec)) {
                others.add(name(each));
            }
        } else {
            others.add("systemctl");
        }
        section("SEE ALSO");
        for (int i = 0; i < others.size(); i++) {
            out.append(".BR ")
                    .append(text(others.get(i)))
                    .append(" (")
                    .append(SECTION)
                    .append(i + 1 < others.size() ? ")," : ")")
                    .append('\n');
        }
    }

    /** The commands of the same group; of the main ones only the group is named. */
    private static List<CommandSpec> siblings(CommandSpec spec) {
        List<CommandSpec> siblings = new ArrayList<>();
        if (spec.parent().parent() != null) {
            for (CommandLine each : spec.parent().subcommands().values()) {
                if (!each.getCommandSpec().name().equals(spec.name())) {
                    siblings.add(each.getCommandSpec());
                }
            }
        }
        return siblings;
    }

    private void section(String title) {
        out.append(".SH ").append(title).append('\n');
    }

    private void line(String text) {
        if (!text.isBlank()) {
            out.append(text(text)).append('\n');
        }
    }

    /** What the library would print: its formats resolved. */
    private static String plain(String text) {
        return text.replace("%n", " ").replace("%%", "%").strip();
    }

    /** Text that roff takes as such. */
    private static String text(String plain) {
        String escaped = plain.replace("\\", "\\e").replace("-", "\\-");
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }
}
