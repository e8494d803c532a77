package io.gpunode.agent.config;

/**
 * One thing that is wrong with the configuration.
 *
 * @param place where the value stands: {@code /etc/…/config.yaml:12:5}, {@code flag --x}, {@code environment X}
 * @param setting the setting's name; empty when the problem is not about one
 * @param what what is wrong, naming the value
 * @param nextStep what to do about it
 */
public record Problem(String place, String setting, String what, String nextStep) {
    /** {@code place: setting: what; nextStep}. */
    @Override
    public String toString() {
        return place + ": " + (setting.isEmpty() ? "" : setting + ": ") + what + "; " + nextStep;
    }
}
