/** Dashboards, rules and monitors of {@code packaging/monitoring}, against the real Prometheus and a simulated node. */
package io.gpunode.agent.monitoring;
