package io.gpunode.benchmarks;

import java.io.PrintStream;
import java.util.Locale;

/** Writes tables in Markdown as figures come in, each figure beside its budget. One thread. */
final class Report {
    private final PrintStream out;
    private int missed;

    Report(PrintStream out) {
        this.out = out;
    }

    /** Begins the table of one benchmark. */
    void begin(String name, String what) {
        out.println();
        out.println("### " + name);
        out.println();
        out.println(what + " Load average before: " + Machine.load() + ".");
        out.println();
        out.println("| figure | measured | n | budget | met |");
        out.println("| --- | --- | --- | --- | --- |");
        out.flush();
    }

    /** Ends it. */
    void end() {
        out.println();
        out.println("Load average after: " + Machine.load() + ".");
        out.flush();
    }

    /** A figure that no budget speaks of. */
    void row(String figure, String measured, long n) {
        print(figure, measured, n, "–", "–");
    }

    /** Latencies that no budget speaks of. */
    void row(String figure, Latencies latencies) {
        row(figure, latencies.describe(), latencies.count());
    }

    /** A figure with its budget. */
    void row(String figure, String measured, long n, String budget, boolean met) {
        if (!met) {
            missed++;
        }
        print(figure, measured, n, budget, met ? "yes" : "**no**");
    }

    /** A sentence between tables. */
    void note(String text) {
        out.println();
        out.println(text);
        out.println();
        out.flush();
    }

    /** How many figures were over their budgets. */
    int missed() {
        return missed;
    }

    private void print(String figure, String measured, long n, String budget, String met) {
        out.printf(Locale.ROOT, "| %s | %s | %,d | %s | %s |%n", figure, measured, n, budget, met);
        out.flush();
    }
}
