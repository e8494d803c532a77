package io.gpunode.agent.kubernetes;

/** Another node is asked for than the one whose kubelet the credentials belong to; the message names both and the next step. */
public final class OtherNodeException extends Exception {
    OtherNodeException(String asked, String own) {
        super("--node-name is \"" + asked + "\", but the credentials are those of the kubelet of node \"" + own
                + "\", which work for no other; run it on node " + asked
                + ", or name a kubeconfig of your own with --kubeconfig FILE");
    }
}
