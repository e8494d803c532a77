package io.gpunode.agent.metrics;

import org.jspecify.annotations.Nullable;

/**
 * A row of the {@linkplain FieldCatalogue catalogue} that is shown, as the user asked for it: DCGM knows most fields under two names, and a field
 * file may say a type and a help text of its own.
 *
 * @param name as it was asked for; the metric's (or label's) name
 * @param field what it shows
 * @param type for the TYPE line; null for a label
 * @param help for the HELP line
 */
record ChosenField(String name, Field field, @Nullable MetricType type, String help) {}
