package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.driver.DriverNode;
import io.gpunode.agent.driver.Holder;
import io.gpunode.agent.driver.HolderAdvice;
import io.gpunode.agent.driver.HolderPlace;
import io.gpunode.agent.driver.HolderTable;
import io.gpunode.agent.driver.ModuleGraph;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.LoadedModule;
import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code driver holders}. */
@Command(
        name = "holders",
        description = {
            "Shows who keeps the driver's kernel modules from being unloaded: each process with a device of the driver open or mapped, with its unit or"
                    + " its namespace, pod and container; modules that use others; and references that no process explains, with who may be behind them.",
            "",
            "Looks at every process of the machine once. Needs no running agent and changes nothing. Run it as root on the node."
        })
final class DriverHoldersCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DriverHoldersCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        Optional<AgentConfig> read = configuration.read(shell);
        if (read.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        AgentConfig effective = read.get();
        DriverNode node = DriverOptions.node(shell, effective);
        ModuleGraph modules = ModuleGraph.of(node.modules().loaded());
        HolderTable table = node.holders().scan(modules);
        shell.out().print(output.json() ? json(modules, table) + "\n" : text(modules, table));
        return ExitCode.OK.code();
    }

    /** For people. */
    static String text(ModuleGraph modules, HolderTable table) {
        StringBuilder out = new StringBuilder();
        if (modules.isEmpty()) {
            out.append("no module of the driver is loaded\n");
        } else {
            out.append(modules(modules)).append('\n');
        }
        out.append(holders(table));
        if (!table.suspects().isEmpty()) {
            out.append("\nmay be behind what is held in the kernel:\n\n");
            Text.Table suspects = new Text.Table("PID", "PROGRAM", "BELONGS TO", "WHY");
            for (HolderTable.Suspect suspect : table.suspects()) {
                suspects.row(
                        String.valueOf(suspect.pid()),
                        suspect.executable(),
                        suspect.place().text(),
                        suspect.why());
            }
            out.append(suspects);
        }
        for (String blind : table.blind()) {
            out.append("\nnot everything was seen: ")
                    .append(Text.printable(blind))
                    .append('\n');
        }
        Set<String> next = next(modules, table);
        if (!next.isEmpty()) {
            out.append("\nto free the driver:\n");
            next.forEach(step -> out.append("    ").append(Text.printable(step)).append('\n'));
        }
        return out.toString();
    }

    private static String modules(ModuleGraph modules) {
        Text.Table table = new Text.Table("MODULE", "REFERENCES", "USED BY", "OPEN");
        for (LoadedModule module : modules.modules().reversed()) {
            table.row(
                    module.name(),
                    module.references() == LoadedModule.NOT_COUNTED ? "-" : String.valueOf(module.references()),
                    module.holders().isEmpty() ? "-" : String.join(",", module.holders()),
                    String.valueOf(module.externalReferences()));
        }
        return table.toString();
    }

    private static String holders(HolderTable table) {
        if (table.isEmpty()) {
            return "nobody holds it (" + looked(table) + ")\n";
        }
        Text.Table rows = new Text.Table("MODULE", "DEVICE", "PID", "PROGRAM", "BELONGS TO", "THROUGH", "STATE");
        for (Holder holder : table.holders()) {
            rows.row(
                    holder.module(),
                    holder.device().isEmpty() ? "-" : holder.device(),
                    holder.pid() == 0 ? "-" : String.valueOf(holder.pid()),
                    holder.pid() == 0 ? "(in the kernel)" : holder.executable(),
                    holder.place().text(),
                    holder.through() + (holder.count() > 1 ? " x" + holder.count() : ""),
                    holder.state().isEmpty() ? "-" : holder.state());
        }
        return rows + "\n" + looked(table) + "\n";
    }

    private static String looked(HolderTable table) {
        return table.processes() + " processes with " + table.descriptors() + " descriptors were looked at in "
                + table.took().toMillis() + " ms";
    }

    /** Each once, in the order of the table; a unit and a pod take all of their processes with them. */
    private static Set<String> next(ModuleGraph modules, HolderTable table) {
        Set<String> next = new LinkedHashSet<>();
        table.holders().forEach(holder -> next.add(HolderAdvice.of(holder)));
        for (LoadedModule module : modules.foreign()) {
            next.add("rmmod " + module.name() + ", when what needs it is stopped: it is not a part of the driver");
        }
        return next;
    }

    /** For programs. */
    static String json(ModuleGraph modules, HolderTable table) {
        JsonWriter out = JsonWriter.pretty().beginObject().name("modules").beginArray();
        for (LoadedModule module : modules.modules()) {
            out.beginObject().member("name", module.name());
            if (module.references() == LoadedModule.NOT_COUNTED) {
                out.name("references").nullValue();
            } else {
                out.member("references", module.references());
            }
            out.member("holders", module.holders())
                    .member("external", module.externalReferences())
                    .member("known", ModuleGraph.KNOWN.contains(module.name()))
                    .endObject();
        }
        out.endArray().name("holders").beginArray();
        for (Holder holder : table.holders()) {
            out.beginObject()
                    .member("module", holder.module())
                    .member("device", holder.device().isEmpty() ? null : holder.device());
            if (holder.pid() != 0) {
                out.member("pid", holder.pid())
                        .member("startedMillisAfterBoot", holder.startMillis())
                        .member("executable", holder.executable())
                        .member("state", holder.state())
                        .name("place");
                place(out, holder.place());
            }
            out.member("through", holder.through().toString())
                    .member("count", holder.count())
                    .member("next", HolderAdvice.of(holder))
                    .endObject();
        }
        out.endArray().name("suspects").beginArray();
        for (HolderTable.Suspect suspect : table.suspects()) {
            out.beginObject()
                    .member("pid", suspect.pid())
                    .member("startedMillisAfterBoot", suspect.startMillis())
                    .member("executable", suspect.executable())
                    .member("why", suspect.why())
                    .name("place");
            place(out, suspect.place());
            out.endObject();
        }
        return out.endArray()
                .member("blind", table.blind())
                .member("processes", table.processes())
                .member("descriptors", table.descriptors())
                .member("tookMillis", table.took().toMillis())
                .endObject()
                .toString();
    }

    private static void place(JsonWriter out, HolderPlace place) {
        out.beginObject();
        member(out, "unit", place.unit());
        member(out, "namespace", place.namespace());
        member(out, "pod", place.pod());
        member(out, "container", place.container());
        member(out, "podUid", place.podUid());
        member(out, "containerId", place.containerId());
        out.endObject();
    }

    private static void member(JsonWriter out, String name, String value) {
        if (!value.isEmpty()) {
            out.member(name, value);
        }
    }
}
