package io.gpunode.agent.config;

/**
 * A setting's value in force.
 *
 * @param text its canonical text
 * @param source {@code flag --x}, {@code environment X}, {@code file /etc/…:12} or {@code default}
 */
public record EffectiveValue<T>(Setting<T> setting, T value, String text, String source) {}
