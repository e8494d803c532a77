/**
 * One class per check, from evidence to finding, and the policy that folds findings into a GPU's health.
 */
@NullMarked
package io.gpunode.agent.health;

import org.jspecify.annotations.NullMarked;
