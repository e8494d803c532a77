package io.gpunode.agent.kubernetes;

/**
 * Whether this node may exchange its driver now.
 *
 * @param mine whether it may
 * @param unsure whether the server may have given it a slot all the same
 * @param reason why not, with the next step; empty where it may
 */
public record UpgradeTurn(boolean mine, boolean unsure, String reason) {
    static final UpgradeTurn MINE = new UpgradeTurn(true, false, "");
}
