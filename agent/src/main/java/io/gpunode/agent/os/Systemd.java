package io.gpunode.agent.os;

import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** The host's service manager, as far as the agent has business with units of others. Any thread; every call has a bound. */
public interface Systemd {
    /** Whether this host runs systemd, and this process can ask it. */
    boolean present();

    /**
     * A unit. One that nobody has installed has the load state {@code not-found}.
     *
     * @throws UnansweredException when systemd does not answer
     */
    Unit unit(String name) throws UnansweredException, InterruptedException;

    /**
     * Starts or stops a unit and waits until that is done or has failed; {@link #unit} says which.
     *
     * @param start else stopped
     * @throws UnansweredException when systemd does not answer, or the job is not done in time; it goes on then
     */
    void change(String name, boolean start, Duration limit) throws UnansweredException, InterruptedException;

    /**
     * Puts a process into a scope of its own, so that it does not end with the unit or the session that it was started in.
     *
     * @param name without {@code .scope}
     * @throws UnansweredException when that did not work; the process stays where it was
     */
    void setApart(int pid, String name, String description) throws UnansweredException, InterruptedException;

    /** What a unit, or a program that writes to the system log under this name, has said of late, oldest first; nothing where the journal cannot be read. */
    List<String> messages(String unitOrProgram, Duration age, int count) throws InterruptedException;

    /**
     * A unit.
     *
     * @param load {@code loaded}, {@code not-found}, {@code masked}, …
     * @param active whether it runs, in systemd's word: {@code activating}, {@code failed}, …
     * @param file whether it is started with the machine: {@code enabled}, {@code disabled}, {@code static}, …; empty when it has no file
     * @param mainPid its main process; 0 for none
     * @param result why it has failed, such as {@code exit-code} or {@code timeout}; {@code success} otherwise
     */
    record Unit(String name, String load, String active, String file, int mainPid, String result) {
        public boolean loaded() {
            return load.equals("loaded");
        }

        public boolean isActive() {
            return active.equals("active") || active.equals("reloading");
        }

        /** Whether it is meant to run: it is started with the machine, or somebody has started it. */
        public boolean wanted() {
            return loaded() && (isActive() || active.equals("activating") || file.startsWith("enabled"));
        }
    }

    /** It could not be asked, or has not answered in time. */
    final class UnansweredException extends IOException {
        public UnansweredException(String message) {
            super(message);
        }
    }
}
