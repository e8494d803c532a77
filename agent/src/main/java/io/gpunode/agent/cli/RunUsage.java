package io.gpunode.agent.cli;

import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.config.Setting;
import io.gpunode.agent.config.Spelling;
import io.gpunode.agent.config.Support;
import io.gpunode.agent.simulation.SimulatedNode;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The help of {@code run} and {@code simulate}, made from the schema that their own parser reads. */
final class RunUsage {
    private RunUsage() {}

    static CommandSpec spec() {
        CommandSpec spec = CommandSpec.create().name("run");
        spec.usageMessage()
                .description(
                        "Runs the agent until SIGTERM. SIGHUP reads the configuration again.",
                        "",
                        "A flag wins over an environment variable, that over the file, that over the default.")
                .footer(
                        "",
                        "Flags of the NVIDIA device plugin whose feature is not served are accepted with the value that"
                                + " means off. The file's keys and all variables: docs/configuration.md");
        addSettings(spec);
        return spec;
    }

    /** The help of {@code simulate}. */
    static CommandSpec simulateSpec() {
        CommandSpec spec = CommandSpec.create().name("simulate");
        spec.usageMessage()
                .description(
                        "Runs the agent on a simulated node: a folder with a simulated driver in it, and an embedded kubelet"
                                + " that admits and ends pods. Needs no GPU and no cluster. SIGTERM or Ctrl-C ends it.",
                        "",
                        "Takes the flags of run, too.");
        spec.addOption(OptionSpec.builder("--profile")
                .paramLabel("NAME")
                .type(String.class)
                .description("The node: " + String.join(", ", SimulatedNode.profiles()) + ". Default: "
                        + SimulateCommand.DEFAULT_PROFILE + ".")
                .build());
        spec.addOption(OptionSpec.builder("--pods")
                .paramLabel("true|false")
                .type(String.class)
                .description("Whether pods come and go. Default: true.")
                .build());
        spec.addOption(OptionSpec.builder("--seed")
                .paramLabel("NUMBER")
                .type(String.class)
                .description("Seed of the pods: the same seed gives the same pods. Default: 1.")
                .build());
        spec.addOption(OptionSpec.builder("--duration")
                .paramLabel("DURATION")
                .type(String.class)
                .description("Ends by itself after this time. Default: never.")
                .build());
        addSettings(spec);
        return spec;
    }

    private static void addSettings(CommandSpec spec) {
        spec.addOption(OptionSpec.builder("--config", "--config-file")
                .paramLabel("FILE")
                .type(String.class)
                .description("The configuration file. Default: " + ConfigSchema.DEFAULT_FILE + ", which may be missing."
                        + " Environment: " + String.join(", ", ConfigSchema.FILE_VARIABLES) + ".")
                .build());
        for (Setting<?> setting : ConfigSchema.ALL) {
            if (!setting.flags().isEmpty()) {
                spec.addOption(option(setting));
            }
        }
    }

    private static OptionSpec option(Setting<?> setting) {
        boolean served = setting.support() instanceof Support.Served;
        boolean isSwitch = setting.isSwitch(setting.flags().getFirst());
        String text = setting.description();
        if (!setting.defaultWords().isEmpty()) {
            text += " Default: " + setting.defaultWords() + ".";
        } else if (!setting.defaultText().isEmpty()) {
            text += " Default: " + setting.defaultText() + ".";
        }
        List<String> others = new ArrayList<>();
        for (Spelling flag : setting.flags().subList(1, setting.flags().size())) {
            String words = flag.meaning().words();
            others.add(flag.flag() + (words.isEmpty() ? "" : " (" + words + ")"));
        }
        if (!others.isEmpty()) {
            text += " Also: " + String.join(", ", others) + ".";
        }
        return OptionSpec.builder("--" + setting.flags().getFirst().name())
                .paramLabel(isSwitch ? "true|false" : label(setting))
                .arity(isSwitch ? "0..1" : "1")
                .type(String.class)
                .hidden(!served)
                .description(text.replace("`", "").replace("%", "%%"))
                .build();
    }

    private static String label(Setting<?> setting) {
        String type = setting.typeText();
        if (type.startsWith("list")) {
            return "LIST";
        }
        if (type.startsWith("duration")) {
            return "DURATION";
        }
        if (type.startsWith("absolute path")) {
            return "PATH";
        }
        return type.startsWith("one of ")
                ? type.substring("one of ".length()).replace("`", "").replace(", ", "|")
                : type.startsWith("`host:port`") ? "HOST:PORT" : "NAME";
    }
}
