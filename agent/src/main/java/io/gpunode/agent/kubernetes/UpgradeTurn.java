package io.gpunode.agent.kubernetes;

/**
 * Whether this node may exchange its driver now.
 *
 * @param mine whether it may
 * @param reason why not, with the next step; empty where it may
 */
public record UpgradeTurn(boolean mine, String reason) {
    static final UpgradeTurn MINE = new UpgradeTurn(true, "");
}
