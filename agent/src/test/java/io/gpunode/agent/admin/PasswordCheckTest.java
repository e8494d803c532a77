package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.admin.PasswordCheck.Verdict;
import io.netty.channel.DefaultEventLoop;
import io.netty.channel.EventLoop;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is checked, remembered and refused; the test is the worker. */
@Timeout(30)
class PasswordCheckTest {
    private static final String PASSWORD = "correct horse";
    private static final Map<String, String> USERS = Map.of("alice", Web.ALICE, "bob", Web.ALICE);

    private final EventLoop loop = new DefaultEventLoop();
    private final Queue<Runnable> work = new ArrayDeque<>();
    private final PasswordCheck checks = new PasswordCheck(loop, work::add);

    /** Hears one verdict, or none. */
    private static final class Asker implements Consumer<Verdict> {
        private Optional<Verdict> heard = Optional.empty();

        @Override
        public void accept(Verdict verdict) {
            heard = Optional.of(verdict);
        }
    }

    @AfterEach
    void stop() {
        loop.shutdownGracefully(0, 0, TimeUnit.MILLISECONDS)
                .awaitUninterruptibly(Duration.ofSeconds(5).toMillis());
    }

    @Test
    void strangersLeaveRoomForUsers() {
        // Given
        List<Asker> strangers = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            strangers.add(ask(USERS, "stranger " + i, "a guess"));
        }

        // When
        Asker alice = ask(USERS, "alice", PASSWORD);
        work();

        // Then
        assertThat(alice.heard).contains(Verdict.RIGHT);
        assertThat(strangers.stream().map(each -> each.heard.orElseThrow()))
                .containsExactly(
                        Verdict.WRONG, Verdict.WRONG, Verdict.WRONG, Verdict.WRONG, Verdict.BUSY, Verdict.BUSY);
    }

    @Test
    void guessesOfOneUsersPasswordLeaveRoomForOthers() {
        // Given
        ask(USERS, "alice", "a guess");
        ask(USERS, "alice", "another");
        Asker third = ask(USERS, "alice", "a third");

        // When
        Asker bob = ask(USERS, "bob", PASSWORD);
        work();

        // Then
        assertThat(third.heard).contains(Verdict.BUSY);
        assertThat(bob.heard).contains(Verdict.RIGHT);
    }

    @Test
    void onlySoManyWaitAndWhoIsGoneWaitsNoMore() {
        // Given
        List<Asker> waiting = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            waiting.add(ask(USERS, "alice", PASSWORD));
        }
        Asker refused = ask(USERS, "alice", PASSWORD);

        // When
        onLoop(() -> checks.forget(waiting.getFirst()));
        Asker next = ask(USERS, "alice", PASSWORD);
        work();

        // Then
        assertThat(refused.heard).contains(Verdict.BUSY);
        assertThat(next.heard).contains(Verdict.RIGHT);
        assertThat(waiting.getFirst().heard).isEmpty();
        assertThat(waiting.getLast().heard).contains(Verdict.RIGHT);
    }

    @Test
    void nothingIsReckonedForWhoIsGone() {
        // Given
        Asker gone = ask(USERS, "alice", PASSWORD);
        onLoop(() -> checks.forget(gone));
        work();

        // When
        Asker later = ask(USERS, "alice", PASSWORD);

        // Then: it is not known yet, and found out now
        assertThat(later.heard).isEmpty();
        work();
        assertThat(later.heard).contains(Verdict.RIGHT);
    }

    @Test
    void whoComesWhenAnotherWithTheSamePasswordIsGoneIsAnswered() {
        // Given: the worker has passed over it, and the loop does not know yet
        Asker gone = ask(USERS, "alice", PASSWORD);
        Asker later = new Asker();

        // When
        onLoop(() -> {
            checks.forget(gone);
            work.remove().run();
            checks.check(USERS, credentials("alice", PASSWORD), later);
        });
        work();

        // Then
        assertThat(later.heard).contains(Verdict.RIGHT);
        assertThat(gone.heard).isEmpty();
    }

    @Test
    void remembersEveryUserWhoWasRight() {
        // Given
        Map<String, String> many = new HashMap<>();
        for (int i = 0; i < 250; i++) {
            many.put("user " + i, Web.ALICE);
        }
        for (int i = 0; i < 250; i++) {
            ask(many, "user " + i, PASSWORD);
            work();
        }

        // When
        Asker first = ask(many, "user 0", PASSWORD);

        // Then
        assertThat(first.heard).contains(Verdict.RIGHT);
    }

    private Asker ask(Map<String, String> users, String user, String password) {
        Asker asker = new Asker();
        onLoop(() -> checks.check(users, credentials(user, password), asker));
        return asker;
    }

    private static Credentials credentials(String user, String password) {
        return new Credentials(user, password.getBytes(StandardCharsets.UTF_8));
    }

    private void onLoop(Runnable task) {
        loop.submit(task).syncUninterruptibly();
    }

    /** Does what the worker has to do, until the loop has nothing more for it. */
    private void work() {
        for (Runnable next = work.poll(); next != null; next = work.poll()) {
            next.run();
            onLoop(() -> {});
        }
    }
}
