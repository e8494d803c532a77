package io.gpunode.agent.cli;

import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.config.Setting;
import io.gpunode.agent.config.Spelling;
import io.gpunode.agent.config.Support;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The help of {@code run}, made from the schema that its own parser reads. */
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
        return spec;
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
            others.add("--" + flag.name() + (words.isEmpty() ? "" : " (" + words + ")"));
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
