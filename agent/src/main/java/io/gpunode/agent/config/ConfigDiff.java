package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a reload changes.
 *
 * @param live changes that apply at once
 * @param needRestart changes that wait for a restart
 * @param inForce the configuration before with the live changes applied: what the running process goes on with, and what the next reload
 *     is to be compared with
 */
public record ConfigDiff(List<Change> live, List<Change> needRestart, LoadedConfig inForce) {
    /**
     * @param setting its path
     * @param before text of the value in force
     * @param after text of the new value
     */
    public record Change(String setting, String before, String after) {}

    /** Compares what is in force with what was loaded now. */
    public static ConfigDiff between(LoadedConfig before, LoadedConfig after) {
        Map<Setting<?>, EffectiveValue<?>> newest = new HashMap<>();
        for (EffectiveValue<?> value : after.values()) {
            newest.put(value.setting(), value);
        }
        List<Change> live = new ArrayList<>();
        List<Change> needRestart = new ArrayList<>();
        SettingValues inForce = new SettingValues();
        for (EffectiveValue<?> old : before.values()) {
            EffectiveValue<?> value = newest.getOrDefault(old.setting(), old);
            boolean changed = !value.value().equals(old.value());
            if (changed) {
                Change change = new Change(old.setting().path(), old.text(), value.text());
                (old.setting().live() ? live : needRestart).add(change);
            }
            inForce.set(changed && !old.setting().live() ? old : value);
        }
        return new ConfigDiff(
                List.copyOf(live),
                List.copyOf(needRestart),
                new LoadedConfig(
                        inForce.assemble(),
                        inForce.served(),
                        after.notices(),
                        after.file(),
                        after.named(),
                        after.stamps()));
    }
}
