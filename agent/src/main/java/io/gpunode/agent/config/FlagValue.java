package io.gpunode.agent.config;

/**
 * A flag of the command line that sets a setting.
 *
 * @param setting what it sets
 * @param flag the spelling that was used
 * @param text its value
 */
public record FlagValue(Setting<?> setting, Spelling flag, String text) {}
