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
    private static final int MOST_REMEMBERED = 100;
    private static final int MOST_CHECKS = 8;
    private static final int MOST_WAITING_FOR_ONE = 128;
    private static final String DIGEST = "HmacSHA256";

    private final EventLoop loop;
    private final Executor worker;
    private final Mac mac;
    private final Map<ByteBuffer, Boolean> right = new Remembered();
    private final Map<ByteBuffer, Boolean> wrong = new Remembered();
    private final Map<ByteBuffer, List<Consumer<Verdict>>> waiting = new HashMap<>();

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
        List<Consumer<Verdict>> same = waiting.get(key);
        if (same != null ? same.size() >= MOST_WAITING_FOR_ONE : waiting.size() >= MOST_CHECKS) {
            then.accept(Verdict.BUSY);
            return;
        }
        if (same != null) {
            same.add(then);
            return;
        }
        waiting.put(key, new ArrayList<>(List.of(then)));
        try {
            worker.execute(() -> {
                boolean matches = matches(credentials.password(), hash);
                boolean good = matches && own != null;
                if (!loop.isShuttingDown()) {
                    loop.execute(() -> checked(key, good));
                }
            });
        } catch (RejectedExecutionException e) {
            waiting.remove(key);
            then.accept(Verdict.BUSY);
        }
    }

    private void checked(ByteBuffer key, boolean good) {
        (good ? right : wrong).put(key, good);
        List<Consumer<Verdict>> told = waiting.remove(key);
        if (told != null) {
            told.forEach(each -> each.accept(good ? Verdict.RIGHT : Verdict.WRONG));
        }
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

        Remembered() {
            super(16, 0.75f, true);
        }

        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteBuffer, Boolean> eldest) {
            return size() > MOST_REMEMBERED;
        }
    }
}
