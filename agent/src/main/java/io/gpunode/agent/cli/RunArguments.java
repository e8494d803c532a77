package io.gpunode.agent.cli;

import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.config.FlagValue;
import io.gpunode.agent.config.Setting;
import io.gpunode.agent.config.Spelling;
import io.gpunode.agent.config.Suggestion;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The command line of a command that takes the settings' flags: {@code --flag value}, {@code --flag=value}, and {@code --flag} alone for
 * switches. Parsed by hand from the schema, because a command line library costs more start time than everything else that runs before the
 * agent listens.
 *
 * @param flags settings, each once
 * @param file the file that was named
 * @param extras values of the command's own flags, by name
 * @param help whether help was asked for
 * @param verbose whether failures are to be told with their stack trace
 * @param problems what is wrong, each with the next step
 */
record RunArguments(
        List<FlagValue> flags,
        Optional<String> file,
        Map<String, String> extras,
        boolean help,
        boolean verbose,
        List<String> problems) {

    /**
     * Parses.
     *
     * @param arguments without the command's name
     * @param ownFlags names of flags with a value that only this command has
     */
    static RunArguments parse(List<String> arguments, List<String> ownFlags) {
        return new Parser(arguments, ownFlags).parse();
    }

    private static final class Parser {
        private final List<String> arguments;
        private final List<String> ownFlags;
        private final List<FlagValue> flags = new ArrayList<>();
        private final Map<String, String> extras = new HashMap<>();
        private final List<String> problems = new ArrayList<>();
        private Optional<String> file = Optional.empty();
        private boolean help;
        private boolean verbose;
        private int at;

        Parser(List<String> arguments, List<String> ownFlags) {
            this.arguments = arguments;
            this.ownFlags = ownFlags;
        }

        RunArguments parse() {
            while (at < arguments.size()) {
                String argument = arguments.get(at++);
                if (argument.equals("--help") || argument.equals("-h")) {
                    help = true;
                } else if (argument.equals("--verbose")) {
                    verbose = true;
                } else if (argument.startsWith("--") && argument.length() > 2) {
                    int equals = argument.indexOf('=');
                    String name = equals < 0 ? argument.substring(2) : argument.substring(2, equals);
                    flag(name, equals < 0 ? Optional.empty() : Optional.of(argument.substring(equals + 1)));
                } else if (argument.startsWith("-") && argument.length() > 1) {
                    // dcgm-exporter takes its short flags so, and long ones as well.
                    int equals = argument.indexOf('=');
                    String written = equals < 0 ? argument : argument.substring(0, equals);
                    flag(
                            isFlag(written) ? written : written.substring(1),
                            equals < 0 ? Optional.empty() : Optional.of(argument.substring(equals + 1)));
                } else {
                    problems.add("unexpected argument \"" + argument + "\"; settings are written as --flag value");
                }
            }
            return new RunArguments(List.copyOf(flags), file, Map.copyOf(extras), help, verbose, List.copyOf(problems));
        }

        private void flag(String name, Optional<String> attached) {
            if (ConfigSchema.FILE_FLAGS.contains(name)) {
                file = once("--" + name, file, value("--" + name, attached));
                return;
            }
            if (ownFlags.contains(name)) {
                Optional<String> value = value("--" + name, attached);
                once("--" + name, Optional.ofNullable(extras.get(name)), value)
                        .ifPresent(text -> extras.put(name, text));
                return;
            }
            for (Setting<?> setting : ConfigSchema.ALL) {
                for (Spelling spelling : setting.flags()) {
                    if (spelling.name().equals(name)) {
                        setting(setting, spelling, attached);
                        return;
                    }
                }
            }
            Optional<String> near = Suggestion.nearest(name, names());
            problems.add("unknown flag --" + name + "; "
                    + (near.isPresent() ? "did you mean --" + near.get() + "?" : "all flags are listed by --help"));
        }

        private static boolean isWrittenAsFlag(String argument) {
            return argument.startsWith("--") || (argument.startsWith("-") && isFlag(argument));
        }

        private static boolean isFlag(String name) {
            for (Setting<?> setting : ConfigSchema.ALL) {
                for (Spelling spelling : setting.flags()) {
                    if (spelling.name().equals(name)) {
                        return true;
                    }
                }
            }
            return false;
        }

        private void setting(Setting<?> setting, Spelling spelling, Optional<String> attached) {
            Optional<String> value = setting.isSwitch(spelling) && attached.isEmpty()
                    ? Optional.of(switchValue())
                    : value(spelling.flag(), attached);
            if (value.isEmpty()) {
                return;
            }
            String text = value.get();
            for (int i = 0; i < flags.size(); i++) {
                if (flags.get(i).setting() == setting) {
                    if (setting.isList()) {
                        flags.set(
                                i, new FlagValue(setting, spelling, flags.get(i).text() + "," + text));
                    } else {
                        problems.add(spelling.flag() + " is given twice"
                                + (flags.get(i).flag().equals(spelling)
                                        ? ""
                                        : ", first as " + flags.get(i).flag().flag())
                                + "; keep one of the two");
                    }
                    return;
                }
            }
            flags.add(new FlagValue(setting, spelling, text));
        }

        /** A switch takes the next argument only when that can be nothing else than its value. */
        private String switchValue() {
            if (at < arguments.size()
                    && (arguments.get(at).equals("true") || arguments.get(at).equals("false"))) {
                return arguments.get(at++);
            }
            return "true";
        }

        private Optional<String> value(String flag, Optional<String> attached) {
            if (attached.isPresent()) {
                return attached;
            }
            if (at >= arguments.size() || isWrittenAsFlag(arguments.get(at))) {
                problems.add(flag + " needs a value; write " + flag + " VALUE");
                return Optional.empty();
            }
            return Optional.of(arguments.get(at++));
        }

        private Optional<String> once(String flag, Optional<String> before, Optional<String> now) {
            if (before.isPresent() && now.isPresent()) {
                problems.add(flag + " is given twice; keep one of the two");
            }
            return now.isPresent() ? now : before;
        }

        private List<String> names() {
            List<String> names = new ArrayList<>(ConfigSchema.FILE_FLAGS);
            names.addAll(ownFlags);
            names.add("help");
            names.add("verbose");
            for (Setting<?> setting : ConfigSchema.ALL) {
                for (Spelling spelling : setting.flags()) {
                    names.add(spelling.name());
                }
            }
            return names;
        }
    }
}
