package io.gpunode.agent.labels;

import io.gpunode.agent.labels.Label.Scope;
import java.util.Arrays;

/** Writes {@code docs/labels.md} from the catalogue. */
final class LabelsDocument {
    private static final String HEAD = """
            # Node labels

            The labels that the agent gives its node: those of GPU feature discovery (release 0.20), in its keys and values, so that selectors
            written for it hold. This page is made from the catalogue by `LabelsDocumentTest`; run it with `-Dgolden.update=true` after a change.
            Where they are written is told in [labels-operations.md](labels-operations.md); what is otherwise than in GPU feature discovery is in [compatibility.md](compatibility.md#gpu-feature-discovery).

            `gpu-node-agent labels` shows them. A label whose value cannot be told is left out, and costs no other.

            ## When they change

            Labels are computed from the newest picture of the node whenever its structure changes, and written when they differ.

            | The node | Labels |
            |---|---|
            | NVML is open | follow the picture at once, a GPU that others split anew when its layout has stood for 3 s. A GPU that is sick or lost is still counted, as in the capacity of the node |
            | NVML is open, and a GPU that it lists has not said who it is, whether it is in MIG mode or what it can compute, or the PCI bus has a GPU and NVML lists none | stay as they are, and follow after 10 minutes |
            | the agent let go of the GPUs, for a reload of the driver or its own end | stay as they are |
            | the driver does not answer, was just taken away or does not fit its library | stay as they are |
            | there is no driver: no library or no kernel module | follow after 10 minutes: those about GPUs go |

            DaemonSets select nodes by these labels. If they went with the driver, each upgrade of the driver would remove those DaemonSets' pods and bring
            them back; so a picture that does not say what the node has is no reason to change a label. What is written outlives the agent, and
            a restart of the agent during an upgrade is therefore the same case.

            ## Values

            - Names lose every character that is not a letter, a digit, `-`, `_`, `.` or a space; spaces become one `-`.
            - A value has 63 characters at most and begins and ends with a letter or digit: what is too much is cut, of a product's name before
              `-MIG-…` and `-SHARED`.
            - In keys and values a MIG profile's `+` is `.`: `1g.10gb+me` is `mig-1g.10gb.me`.

            ## About the node

            """;

    private static final String RESOURCES = """

            ## About its GPUs

            `nvidia.com/gpu.<name>` tells of whole GPUs. On a node with several models it tells of the model that has the most GPUs, and of
            several such, of the one whose first GPU has the lowest PCI address. GPUs that are not in MIG mode speak for their model.

            `labels.perModel` adds the same labels for each model as `nvidia.com/gpu-<product>.<name>`, for example
            `nvidia.com/gpu-NVIDIA-L4.count`. A product's name of more than 42 characters is cut there, and ends in a number made of the whole.

            | Name | When | Value | Example |
            |---|---|---|---|
            """;

    private static final String MIG = """

            ## About MIG devices

            | `flags.migStrategy` | Labels |
            |---|---|
            | `none` | none; GPUs in MIG mode are counted in `nvidia.com/gpu.count` |
            | `single` | the labels `nvidia.com/gpu.<name>` tell of MIG devices instead, when every GPU is in MIG mode, none is empty, and all devices have one profile. Without any GPU in MIG mode they tell of GPUs. Otherwise `product` is `<model>-MIG-INVALID`, `count`, `replicas` and `memory` are 0 and `sharing-strategy` is empty |
            | `mixed` | `nvidia.com/mig-<profile>.<name>` for each profile that the node has, for example `nvidia.com/mig-1g.10gb.count`, beside those of GPUs. A profile that several models have is told of by the model of the node |

            Each has `product`, `count`, `replicas`, `sharing-strategy` and `memory` as above, and:

            | Name | When | Value | Example |
            |---|---|---|---|
            """;

    private static final String SHARING = """

            ## Sharing

            Sharing is configured by resource, and a label tells of the resource that its devices have without it. When some of the devices are
            shared (`devices`), `replicas` and `sharing-strategy` are those of the shared ones. Shares that have a name of their own (`rename`,
            `renameByDefault`) leave the product as it is.
            """;

    private static final String OPERATOR = """

            ## Labels of NVIDIA's operator

            With `labels.operatorLabels`, for software that waits for them. They are for nodes that the operator does not manage: it places
            its own parts by `gpu.deploy.*`. To keep those parts off a node of a cluster that has the operator, set
            `nvidia.com/gpu.deploy.operands=false` on it.

            What somebody else has set stays: a label that the node has with another value (`false`, `paused-for-driver-upgrade`) is not
            written, and with `nvidia.com/gpu.deploy.operands=false` none of `gpu.deploy.*` is. Node-feature-discovery would overwrite such a
            word, so `gpu.deploy.*` are written onto the Node object only, by `labels.sink: node`.

            """;

    private LabelsDocument() {}

    static String text() {
        StringBuilder text = new StringBuilder(HEAD);
        header(text);
        rows(text, false, Scope.NODE, Scope.DEPRECATED);
        text.append("\nDeprecated labels are written for those who still select by them.\n");
        text.append(RESOURCES);
        rows(text, true, Scope.RESOURCE);
        text.append(MIG);
        rows(text, true, Scope.MIG);
        text.append(SHARING).append(OPERATOR);
        header(text);
        rows(text, false, Scope.OPERATOR, Scope.DEPLOY);
        return text.toString();
    }

    private static void header(StringBuilder text) {
        text.append("| Label | When | Value | Example |\n|---|---|---|---|\n");
    }

    private static void rows(StringBuilder text, boolean nameOnly, Scope... scopes) {
        for (Label label : Label.values()) {
            if (Arrays.asList(scopes).contains(label.scope())) {
                String name = nameOnly ? label.key().substring("nvidia.com/gpu.".length()) : label.key();
                text.append("| `").append(name).append("` | ");
                text.append(label.when()).append(" | ");
                text.append(label.value()).append(" | `");
                text.append(label.example()).append("` |\n");
            }
        }
    }
}
