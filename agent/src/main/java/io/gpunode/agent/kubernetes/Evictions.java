package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The eviction API, in the version that the server knows: {@code policy/v1}, and {@code policy/v1beta1} before Kubernetes 1.22. A server that does not
 * know the version of an eviction refuses it with status 400. For one thread.
 */
final class Evictions {
    private static final int BAD_REQUEST = 400;

    private boolean older;

    /** What became of an eviction. */
    sealed interface Answer {
        /** The pod is asked to end, or would be, or is gone. */
        record Accepted() implements Answer {}

        /** There is another pod of that name now, or it changes just now: the list has to say. */
        record Changed() implements Answer {}

        /** To be asked once more, in the server's other version. */
        record Again() implements Answer {}

        /** Not now, because of this. */
        record Refused(String why) implements Answer {}

        /** The agent may not evict at all. */
        record Forbidden() implements Answer {}
    }

    /** Asks for the eviction of this pod, and of no other of its name, with the grace period that it has itself. */
    ApiAnswer ask(ApiClient api, GpuPod pod, boolean dryRun) throws IOException, InterruptedException {
        return api.create(
                "/api/v1/namespaces/" + encoded(pod.namespace()) + "/pods/" + encoded(pod.name())
                        + "/eviction?fieldManager=gpu-node-agent" + (dryRun ? "&dryRun=All" : ""),
                json(pod, dryRun));
    }

    /** What the server's answer means. */
    Answer judge(ApiAnswer answer) {
        int status = answer.status();
        if (answer.ok() || (status == ApiAnswer.NOT_FOUND && isAboutPod(answer))) {
            return new Answer.Accepted();
        }
        if (status == ApiAnswer.CONFLICT) {
            return new Answer.Changed();
        }
        if (status == BAD_REQUEST || status == ApiAnswer.NOT_FOUND) {
            older = !older;
            return older ? new Answer.Again() : new Answer.Refused(answer.reason());
        }
        if (status == ApiAnswer.FORBIDDEN) {
            return cause(answer, "NamespaceTerminating").isEmpty()
                    ? new Answer.Forbidden()
                    : new Answer.Refused("its namespace is being deleted");
        }
        String budget = cause(answer, "DisruptionBudget");
        return new Answer.Refused(budget.isEmpty() ? answer.reason() : "PodDisruptionBudget: " + budget);
    }

    private String json(GpuPod pod, boolean dryRun) {
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .member("apiVersion", older ? "policy/v1beta1" : "policy/v1")
                .member("kind", "Eviction")
                .name("metadata")
                .beginObject()
                .member("name", pod.name())
                .member("namespace", pod.namespace())
                .endObject()
                .name("deleteOptions")
                .beginObject()
                .name("preconditions")
                .beginObject()
                .member("uid", pod.uid())
                .endObject();
        if (dryRun) {
            json.member("dryRun", List.of("All"));
        }
        return json.endObject().endObject().toString();
    }

    /** Whether it is the pod that is not there, not the API. */
    private static boolean isAboutPod(ApiAnswer answer) {
        try {
            return Texts.json(answer.body())
                    .member("details")
                    .member("kind")
                    .textOr("")
                    .equals("pods");
        } catch (IOException e) {
            return false;
        }
    }

    /** What the server says of one of the causes of a refusal; empty when it is none of them. */
    private static String cause(ApiAnswer answer, String reason) {
        try {
            for (JsonValue cause :
                    Texts.json(answer.body()).member("details").member("causes").elements()) {
                if (cause.member("reason").textOr("").equals(reason)) {
                    return cause.member("message").textOr(reason);
                }
            }
        } catch (IOException e) {
            // A proxy's page names no cause.
        }
        return "";
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
