package io.gpunode.agent.config;

import java.util.Set;

/** What this version does with a setting. The device plugin's file knows more than is served; nothing of it is silently dropped. */
public sealed interface Support {
    /** It works. */
    record Served() implements Support {
        static final Served INSTANCE = new Served();
    }

    /**
     * Its feature is not served, so only values that mean "off" are accepted.
     *
     * @param accepted texts that mean off
     * @param nextStep what to do with any other value
     */
    record OnlyOff(Set<String> accepted, String nextStep) implements Support {}

    /**
     * It is accepted and changes nothing, because it is about another component or about a choice that does not exist here.
     *
     * @param why one phrase
     */
    record NoEffect(String why) implements Support {}
}
