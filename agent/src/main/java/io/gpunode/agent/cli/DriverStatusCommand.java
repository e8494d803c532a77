package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.DaemonStatus;
import io.gpunode.agent.driver.DriverHistory;
import io.gpunode.agent.driver.DriverNode;
import io.gpunode.agent.driver.DriverRemark;
import io.gpunode.agent.driver.DriverRoot;
import io.gpunode.agent.driver.DriverWish;
import io.gpunode.agent.driver.ModuleGraph;
import io.gpunode.agent.driver.ModuleType;
import io.gpunode.agent.driver.Nouveau;
import io.gpunode.agent.driver.ObservedDriver;
import io.gpunode.agent.driver.ObservedDriver.NodeState;
import io.gpunode.agent.driver.ObservedDriver.RunningDriver;
import io.gpunode.agent.driver.RootStatus;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.LoadedModule;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code driver status}. */
@Command(
        name = "status",
        description = {
            "Shows what of the driver is on this node beside what is wanted: kernel modules, version and type, libraries, device nodes, what holds the"
                    + " GPUs, nouveau, Secure Boot and what a build needs; below it what is not as it should be, each with the next step.",
            "",
            "Needs no running agent, asks neither the driver nor NVML, and changes nothing. Run it as root on the node."
        })
final class DriverStatusCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DriverStatusCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        AgentConfig effective = read.get();
        DriverNode node = DriverOptions.node(shell, effective);
        ObservedDriver observed = node.observer().observe();
        DriverWish wish = new DriverWish(
                effective.driver(),
                observed.gpus().stream().map(ObservedDriver.BusGpu::device).toList());
        Seen seen =
                new Seen(observed, wish, node.daemons().observe(), node.root().observe(), node.history(observed));
        shell.out().print(output.json() ? json(seen) + "\n" : text(seen));
        return ExitCode.OK.code();
    }

    /** What is told. */
    private record Seen(
            ObservedDriver observed,
            DriverWish wish,
            List<DaemonStatus> daemons,
            RootStatus root,
            DriverHistory history) {
        /** What a person should know: first what is under way, and then what is there. */
        List<DriverRemark> remarks() {
            List<DriverRemark> remarks = new ArrayList<>(history.remarks());
            remarks.addAll(DriverRemark.of(observed, wish));
            return remarks;
        }

        /** Whether containers are to find the driver's files below a mount: those of the host lie where they always do. */
        boolean wantsRoot() {
            return wish.settings().manage()
                    && wish.settings().root().attach()
                    && wish.settings().source() != AgentConfig.Driver.SourceKind.HOST;
        }

        String wanted(DaemonStatus daemon) {
            if (!daemon.needed()) {
                return "not needed: " + daemon.reason();
            }
            return wish.settings().manage() ? "runs: " + daemon.reason() : "not managed";
        }
    }

    /** For people. */
    private static String text(Seen seen) {
        ObservedDriver observed = seen.observed;
        DriverWish wish = seen.wish;
        RootStatus root = seen.root;
        Text.Table table = new Text.Table("", "OBSERVED", "WANTED");
        table.row("driver", driver(observed), wanted(observed, wish));
        table.row("change", seen.history.change().isEmpty() ? "none under way" : "under way, see below", "");
        if (!seen.history.previous().isEmpty()) {
            table.row("driver before", seen.history.previous(), "");
        }
        table.row("kernel", observed.kernel() + " " + observed.architecture(), "");
        table.row(
                "libraries",
                versions(observed.libraries()),
                observed.running().map(r -> r.version().text()).orElse(""));
        table.row("GPUs", gpus(observed), "");
        table.row(
                "device nodes",
                nodes(observed),
                observed.nodes().isEmpty() ? "" : observed.nodes().size() + " right");
        table.row("nouveau", nouveau(observed.nouveau()), "kept out");
        table.row("Secure Boot", security(observed.security()), "");
        table.row("headers", headers(observed.headers()), "");
        table.row("built with", dash(observed.headers().compiler()), "");
        for (DaemonStatus daemon : seen.daemons) {
            table.row(daemon.kind().program(), daemon(daemon), seen.wanted(daemon));
        }
        table.row(
                DriverRoot.POINT.toString(),
                word(root.state()) + (root.text().isEmpty() ? "" : ": " + root.text()),
                seen.wantsRoot() ? "shows the driver's files" : "");
        StringBuilder out = new StringBuilder().append(table);
        if (observed.loaded()) {
            Text.Table modules = new Text.Table("MODULE", "VERSION", "REFERENCES", "USED BY", "PHASE", "TAINT");
            for (LoadedModule module : observed.modules().modules().reversed()) {
                modules.row(
                        module.name(),
                        dash(module.version()),
                        module.references() == LoadedModule.NOT_COUNTED ? "-" : String.valueOf(module.references()),
                        dash(String.join(",", module.holders())),
                        module.phase().name().toLowerCase(Locale.ROOT),
                        dash(module.taint()));
            }
            out.append('\n').append(modules);
        }
        List<DriverRemark> remarks = seen.remarks();
        for (DriverRemark remark : remarks) {
            out.append('\n').append(Text.printable(remark.text())).append('\n');
            if (!remark.next().isEmpty()) {
                out.append("    ").append(Text.printable(remark.next())).append('\n');
            }
        }
        return remarks.isEmpty() ? out.append("\nall is as it should be\n").toString() : out.toString();
    }

    private static String daemon(DaemonStatus daemon) {
        return word(daemon.state())
                + daemon.process().map(process -> ", pid " + process.pid()).orElse("")
                + switch (daemon.keeper()) {
                    case AGENT -> ", kept by the agent";
                    case SYSTEMD -> ", kept by its unit";
                    case CONTAINER -> ", kept by its container";
                    case SOMEBODY -> ", started by somebody else";
                    case NOBODY -> "";
                }
                + (daemon.text().isEmpty() ? "" : ": " + daemon.text());
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    private static String driver(ObservedDriver observed) {
        if (observed.running().isPresent()) {
            RunningDriver running = observed.running().get();
            return running.version() + " " + running.type().text() + ", loaded";
        }
        return observed.modules().find(ModuleGraph.CORE).isPresent() ? "loaded, of unknown version" : "not loaded";
    }

    private static String wanted(ObservedDriver observed, DriverWish wish) {
        AgentConfig.Driver settings = wish.settings();
        String source = switch (settings.source()) {
            case HOST -> "as the host has it";
            case PACKAGE -> "from the distribution's packages";
            case RUNFILE -> "from NVIDIA's runfile";
            case BUNDLE -> "from a bundle";
        };
        String version = settings.version().isEmpty() ? "any version" : settings.version();
        String type = observed.running()
                .map(running -> wish.type(running.version()))
                .or(() -> DriverVersion.parse(settings.version()).map(wish::type))
                .map(ModuleType::text)
                .map(text -> " " + text)
                .orElse("");
        return version + type + ", " + source + (settings.manage() ? "" : "; not managed (driver.manage)");
    }

    private static String versions(List<DriverVersion> versions) {
        return versions.isEmpty()
                ? "none"
                : String.join(", ", versions.stream().map(DriverVersion::text).toList());
    }

    private static String gpus(ObservedDriver observed) {
        long bound = observed.gpus().stream()
                .filter(gpu -> gpu.driver().equals(ModuleGraph.CORE))
                .count();
        return observed.gpus().isEmpty() ? "none" : observed.gpus().size() + " on the bus, " + bound + " with nvidia";
    }

    private static String nodes(ObservedDriver observed) {
        long right = observed.nodes().stream()
                .filter(node -> node.state() == NodeState.RIGHT)
                .count();
        return observed.nodes().isEmpty() ? "none" : right + " right";
    }

    private static String nouveau(Nouveau nouveau) {
        String there = nouveau.inTheWay()
                ? "has " + nouveau.bound().size() + (nouveau.bound().size() == 1 ? " GPU" : " GPUs")
                : nouveau.modules().isEmpty() ? "not loaded" : "loaded, has no GPU";
        return there + (nouveau.blacklisted() ? "" : ", not kept out");
    }

    private static String security(BootSecurity security) {
        String firmware = switch (security.secureBoot()) {
            case ON -> "on";
            case OFF -> "off";
            case SETUP_MODE -> "off (setup mode)";
            case SHIM_DISABLED -> "on, switched off by shim";
            case NO_UEFI -> "no UEFI";
            case UNKNOWN -> "not readable";
        };
        String lockdown = security.lockdown().isEmpty() || security.lockdown().equals("none")
                ? ""
                : ", lockdown " + security.lockdown();
        return firmware + lockdown + (security.refusesUnsigned() ? ", unsigned modules are refused" : "");
    }

    private static String headers(KernelHeaders headers) {
        if (headers.directory().isEmpty()) {
            return "not installed";
        }
        String state = headers.usable()
                ? "complete"
                : headers.missing().isEmpty()
                        ? "of kernel " + headers.release()
                        : "without " + String.join(", ", headers.missing());
        return headers.directory().get() + ", " + state;
    }

    private static String dash(String text) {
        return text.isEmpty() ? "-" : text;
    }

    /** For programs. */
    private static String json(Seen seen) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        AgentConfig.Driver settings = seen.wish.settings();
        out.name("wanted")
                .beginObject()
                .member("managed", settings.manage())
                .member("source", settings.source().name().toLowerCase(Locale.ROOT))
                .member("version", settings.version().isEmpty() ? null : settings.version())
                .member("kernelModuleType", settings.kernelModuleType().name().toLowerCase(Locale.ROOT))
                .member(
                        "modules",
                        new ArrayList<>(settings.modules().others())
                                .stream().sorted().toList())
                .endObject();
        out.name("observed").beginObject();
        observed(out, seen.observed);
        out.name("daemons").beginArray();
        for (DaemonStatus daemon : seen.daemons) {
            out.beginObject()
                    .member("program", daemon.kind().program())
                    .member("needed", daemon.needed())
                    .member("reason", daemon.reason())
                    .member("state", word(daemon.state()).replace(' ', '-'))
                    .member("keeper", word(daemon.keeper()));
            if (daemon.process().isPresent()) {
                out.member("pid", daemon.process().get().pid());
            } else {
                out.name("pid").nullValue();
            }
            out.member("restarts", daemon.restarts())
                    .member("text", daemon.text())
                    .endObject();
        }
        out.endArray()
                .name("root")
                .beginObject()
                .member("path", DriverRoot.POINT.toString())
                .member("state", word(seen.root.state()))
                .member("text", seen.root.text())
                .endObject();
        out.endObject()
                .name("history")
                .beginObject()
                .member("change", seen.history.change())
                .member("previous", seen.history.previous())
                .member("givenUp", seen.history.givenUp())
                .member("unloadedByHand", seen.history.unloadedByHand())
                .endObject()
                .name("remarks")
                .beginArray();
        for (DriverRemark remark : seen.remarks()) {
            out.beginObject()
                    .member("text", remark.text())
                    .member("next", remark.next())
                    .endObject();
        }
        return out.endArray().endObject().toString();
    }

    private static void observed(JsonWriter out, ObservedDriver observed) {
        out.member("kernel", observed.kernel())
                .member("architecture", observed.architecture())
                .member("bootId", observed.bootId())
                .member(
                        "version",
                        observed.running()
                                .map(running -> running.version().text())
                                .orElse(null))
                .member(
                        "type",
                        observed.running().map(running -> running.type().text()).orElse(null))
                .member(
                        "libraries",
                        observed.libraries().stream().map(DriverVersion::text).toList());
        out.name("modules").beginArray();
        for (LoadedModule module : observed.modules().modules()) {
            out.beginObject()
                    .member("name", module.name())
                    .member("version", module.version().isEmpty() ? null : module.version())
                    .member("sourceVersion", module.sourceVersion().isEmpty() ? null : module.sourceVersion())
                    .member("phase", module.phase().name().toLowerCase(Locale.ROOT));
            if (module.references() == LoadedModule.NOT_COUNTED) {
                out.name("references").nullValue();
            } else {
                out.member("references", module.references());
            }
            out.member("holders", module.holders())
                    .member("size", module.size())
                    .member("taint", module.taint())
                    .endObject();
        }
        out.endArray().name("parameters").beginObject();
        observed.parameters().forEach(out::member);
        out.endObject().name("gpus").beginArray();
        for (ObservedDriver.BusGpu gpu : observed.gpus()) {
            out.beginObject()
                    .member("address", gpu.address().sysfsName())
                    .member("device", gpu.device())
                    .member("driver", gpu.driver().isEmpty() ? null : gpu.driver())
                    .endObject();
        }
        out.endArray().name("nodes").beginArray();
        for (ObservedDriver.DriverNode node : observed.nodes()) {
            out.beginObject()
                    .member("path", node.path().toString())
                    .member("major", node.major())
                    .member("minor", node.minor())
                    .member("state", node.state().name().toLowerCase(Locale.ROOT))
                    .endObject();
        }
        out.endArray();
        Nouveau nouveau = observed.nouveau();
        out.name("nouveau")
                .beginObject()
                .member(
                        "modules",
                        nouveau.modules().stream().map(LoadedModule::name).toList())
                .member("gpus", nouveau.bound().stream().map(String::valueOf).toList())
                .member("consoles", nouveau.consoles())
                .member("keptOut", nouveau.blacklisted())
                .endObject();
        BootSecurity security = observed.security();
        out.name("security")
                .beginObject()
                .member(
                        "secureBoot",
                        security.secureBoot().name().toLowerCase(Locale.ROOT).replace('_', '-'))
                .member("lockdown", security.lockdown().isEmpty() ? null : security.lockdown())
                .member("enforced", security.enforced())
                .member("keyringsReadable", security.keysReadable())
                .name("keys")
                .beginArray();
        for (BootSecurity.TrustedKey key : security.keys()) {
            out.beginObject()
                    .member("description", key.description())
                    .member("identifier", key.identifier())
                    .member("keyring", key.keyring().isEmpty() ? null : key.keyring())
                    .member("forModules", key.forModules())
                    .endObject();
        }
        out.endArray().endObject();
        KernelHeaders headers = observed.headers();
        out.name("headers")
                .beginObject()
                .member("directory", headers.directory().map(String::valueOf).orElse(null))
                .member("usable", headers.usable())
                .member("missing", headers.missing())
                .member("release", headers.release().isEmpty() ? null : headers.release())
                .member("compiler", headers.compiler().isEmpty() ? null : headers.compiler())
                .member("tried", headers.tried().stream().map(String::valueOf).toList())
                .endObject();
        out.member("unreadable", observed.unreadable());
    }
}
