package io.gpunode.agent.kubernetes;

/**
 * How the start-up taint stands.
 *
 * @param key the taint's
 * @param state {@code waiting}, {@code removed}, {@code absent} or {@code refused}
 * @param reason one sentence, with the next step where somebody should take one
 */
public record StartupTaintStatus(String key, String state, String reason) {}
