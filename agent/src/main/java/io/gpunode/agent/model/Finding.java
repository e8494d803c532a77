package io.gpunode.agent.model;

import java.time.Instant;

/**
 * What a health check found.
 *
 * @param check the check's fixed name: {@code xid}, {@code lane}, {@code lost}, …
 * @param severity whether it withholds what it is about
 * @param reason one sentence for people
 * @param repair the suggested repair, with a command where there is one
 * @param recovery in words, what makes it go away
 * @param since wall time of its first evidence
 */
public record Finding(String check, Severity severity, String reason, String repair, String recovery, Instant since) {
    /** How bad. */
    public enum Severity {
        /** Worth telling; the GPU may be used. */
        REMARK,
        /** The GPU or MIG device is withheld from new containers. */
        FATAL,
        /** It is withheld, and what repairs it takes the whole node, such as a reboot. */
        NODE;

        /** Whether it withholds what it is about. */
        public boolean withholds() {
            return this != REMARK;
        }
    }
}
