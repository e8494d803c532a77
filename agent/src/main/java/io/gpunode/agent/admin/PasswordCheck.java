package io.gpunode.agent.admin;

import at.favre.lib.crypto.bcrypt.BCrypt;
import at.favre.lib.crypto.bcrypt.LongPasswordStrategies;
import io.gpunode.agent.log.Log;
import io.netty.channel.EventLoop;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Checks passwords against bcrypt hashes, which is slow on purpose: one at a time, on a thread that does nothing else for clients. What was found is
 * remembered under a keyed digest of user, hash and password, so that a scraper costs one check. Right and wrong answers are remembered apart: guesses
 * push no user out. Owned by the event loop; loaded only where users are configured.
 */
final class PasswordCheck {
    /** What is known of some credentials. */
    enum Verdict {
        RIGHT,
        WRONG,
        /** Too many others wait to be checked. */
        BUSY
    }

    private static final Log LOG = Log.of(PasswordCheck.class);
    private static final int MOST_WRONG = 100;

    /** Beyond one for each user: of hashes that were changed. */
    private static final int MOST_RIGHT_OF_OLD = 100;

    static final int MOST_CHECKS = 8;

    /** So that names that nobody has leave room for those that somebody has. */
    private static final int MOST_CHECKS_OF_STRANGERS = 4;

    private static final int MOST_CHECKS_OF_A_USER = 2;

    /** Requests, of all checks together: each holds its connection. */
    private static final int MOST_WAITING = 32;

    private static final String DIGEST = "HmacSHA256";

    private final EventLoop loop;
    private final Executor worker;
    private final Mac mac;
    private final Remembered right = new Remembered();
    private final Remembered wrong = new Remembered();
    private final Map<ByteBuffer, Check> checks = new HashMap<>();
    private int waiting;

    /** Credentials that wait to be checked, or are just being. */
    private static final class Check {
        private final Credentials credentials;
        private final String hash;
        private final boolean known;
        private final List<Consumer<Verdict>> told = new ArrayList<>();

        /** Whether somebody still wants to know; set by the loop, read by the worker. */
        private volatile boolean wanted = true;

        /** @param known whether there is such a user */
        Check(Credentials credentials, String hash, boolean known) {
            this.credentials = credentials;
            this.hash = hash;
            this.known = known;
        }
    }

    /** @param worker one thread, not the loop's */
    PasswordCheck(EventLoop loop, Executor worker) {
        this.loop = loop;
        this.worker = worker;
        byte[] key = new byte[32];
        new SecureRandom().nextBytes(key);
        try {
            this.mac = Mac.getInstance(DIGEST);
            mac.init(new SecretKeySpec(key, DIGEST));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the Java runtime lacks " + DIGEST, e);
        }
    }

    /**
     * Tells whether credentials are those of a user: at once when it is remembered, otherwise later on the loop. For a user that does not exist as much
     * is reckoned as for one that does.
     *
     * @param users bcrypt hashes by user, at least one
     */
    void check(Map<String, String> users, Credentials credentials, Consumer<Verdict> then) {
        String own = users.get(credentials.user());
        String hash = own == null ? costliest(users) : own;
        ByteBuffer key = key(credentials, own == null ? "" : hash);
        Verdict known = remembered(key);
        if (known != null) {
            then.accept(known);
            return;
        }
        right.most = users.size() + MOST_RIGHT_OF_OLD;
        Check check = checks.get(key);
        if (waiting >= MOST_WAITING || (check == null && !hasRoomFor(credentials.user(), own != null))) {
            then.accept(Verdict.BUSY);
            return;
        }
        boolean begun = check != null;
        if (check == null) {
            check = new Check(credentials, hash, own != null);
            checks.put(key, check);
        }
        check.wanted = true;
        check.told.add(then);
        waiting++;
        if (!begun) {
            begin(key, check);
        }
    }

    /** Somebody who was to be told later is gone. */
    void forget(Consumer<Verdict> then) {
        for (Check check : checks.values()) {
            if (check.told.remove(then)) {
                waiting--;
                check.wanted = !check.told.isEmpty();
                return;
            }
        }
    }

    private boolean hasRoomFor(String user, boolean known) {
        if (checks.size() >= MOST_CHECKS) {
            return false;
        }
        int same = 0;
        for (Check check : checks.values()) {
            if (known ? check.known && check.credentials.user().equals(user) : !check.known) {
                same++;
            }
        }
        return same < (known ? MOST_CHECKS_OF_A_USER : MOST_CHECKS_OF_STRANGERS);
    }

    private void begin(ByteBuffer key, Check check) {
        try {
            worker.execute(() -> reckon(key, check));
        } catch (RejectedExecutionException e) {
            end(key, check, Verdict.BUSY);
        }
    }

    /** The worker's thread. */
    private void reckon(ByteBuffer key, Check check) {
        // Nothing is reckoned for clients that are gone before their turn.
        boolean done = check.wanted;
        boolean good = false;
        try {
            good = done && matches(check.credentials.password(), check.hash) && check.known;
        } finally {
            boolean found = good;
            if (!loop.isShuttingDown()) {
                loop.execute(() -> checked(key, check, done, found));
            }
        }
    }

    private void checked(ByteBuffer key, Check check, boolean done, boolean good) {
        if (done) {
            (good ? right : wrong).put(key, good);
        } else if (check.wanted) {
            // Somebody has come since with the same credentials.
            begin(key, check);
            return;
        }
        end(key, check, good ? Verdict.RIGHT : Verdict.WRONG);
    }

    private void end(ByteBuffer key, Check check, Verdict verdict) {
        checks.remove(key);
        waiting -= check.told.size();
        List<Consumer<Verdict>> told = List.copyOf(check.told);
        check.told.clear();
        told.forEach(each -> each.accept(verdict));
    }

    private @Nullable Verdict remembered(ByteBuffer key) {
        if (right.get(key) != null) {
            return Verdict.RIGHT;
        }
        return wrong.get(key) != null ? Verdict.WRONG : null;
    }

    /** bcrypt takes 72 bytes of a password, here as in every other program that reads these files. */
    private static boolean matches(byte[] password, String hash) {
        try {
            return BCrypt.verifyer(null, LongPasswordStrategies.truncate(BCrypt.Version.VERSION_2B))
                    .verify(password, hash.getBytes(StandardCharsets.US_ASCII))
                    .verified;
        } catch (RuntimeException e) {
            LOG.debug("a password could not be checked", "error", e);
            return false;
        }
    }

    private static String costliest(Map<String, String> users) {
        String costliest = "";
        for (String hash : users.values()) {
            if (costliest.isEmpty() || cost(hash) > cost(costliest)) {
                costliest = hash;
            }
        }
        return costliest;
    }

    /** The logarithm of the rounds of a hash that {@link WebConfigReader} has accepted. */
    static int cost(String hash) {
        return Integer.parseInt(hash.substring(4, 6));
    }

    /** @param hash of the user; empty when there is no such user, who may come to be one */
    private ByteBuffer key(Credentials credentials, String hash) {
        byte[] user = credentials.user().getBytes(StandardCharsets.UTF_8);
        mac.update(ByteBuffer.allocate(4).putInt(user.length).array());
        mac.update(user);
        mac.update(hash.getBytes(StandardCharsets.US_ASCII));
        mac.update((byte) 0);
        return ByteBuffer.wrap(mac.doFinal(credentials.password()));
    }

    /** Forgets what was not asked for longest. */
    private static final class Remembered extends LinkedHashMap<ByteBuffer, Boolean> {
        private static final long serialVersionUID = 1;

        private int most = MOST_WRONG;

        Remembered() {
            super(16, 0.75f, true);
        }

        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteBuffer, Boolean> eldest) {
            return size() > most;
        }
    }
}
