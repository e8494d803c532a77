package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.deviceplugin.RegistrationState.Attempts;
import io.gpunode.agent.deviceplugin.RegistrationState.NoKubelet;
import io.gpunode.agent.deviceplugin.RegistrationState.NotReady;
import io.gpunode.agent.deviceplugin.RegistrationState.Observation;
import io.gpunode.agent.deviceplugin.RegistrationState.Outcome;
import io.gpunode.agent.deviceplugin.RegistrationState.Registered;
import io.gpunode.agent.deviceplugin.RegistrationState.Registering;
import io.gpunode.agent.deviceplugin.RegistrationState.Retrying;
import io.gpunode.agent.deviceplugin.RegistrationState.Step;
import io.gpunode.agent.deviceplugin.RegistrationState.SteppedAside;
import io.gpunode.agent.deviceplugin.RegistrationState.Stopped;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class RegistrationStateTest {
    private static final SocketFile.Present KUBELET = new SocketFile.Present(1, 100, "t0");
    private static final SocketFile.Present ANOTHER_KUBELET = new SocketFile.Present(1, 100, "t1");
    private static final SocketFile.Present OWN = new SocketFile.Present(1, 200, "t0");
    private static final Outcome REFUSED_DIAL = new Outcome("connection refused", true);
    private static final Outcome REFUSED = new Outcome("INVALID_ARGUMENT", false);

    private final ManualTime time = new ManualTime();
    private SocketFile kubelet = KUBELET;
    private SocketFile own = OWN;
    private boolean found;
    private String newer = "";
    private boolean contested;
    private String notReady = "";
    private int streams;
    private long opened;
    private boolean left;
    private @Nullable Outcome outcome;

    @Test
    void registersWhenThereIsSomethingToRegisterAndSomebodyToRegisterWith() {
        Step step = next(new NotReady("starting"));

        assertThat(step.register()).isTrue();
        assertThat(step.state()).isInstanceOf(Registering.class);
    }

    @Test
    void waitsForThePictureBeforeAnythingElse() {
        notReady = "driver not loaded";
        kubelet = new SocketFile.Missing();

        Step step = next(new NoKubelet("none"));

        assertThat(step.register()).isFalse();
        assertThat(step.state()).isEqualTo(new NotReady("driver not loaded"));
    }

    @Test
    void waitsForTheKubeletWithoutSpinning() {
        kubelet = new SocketFile.Missing();

        Step step = next(new NotReady("starting"));

        assertThat(step.state()).isInstanceOf(NoKubelet.class);
        assertThat(step.pause()).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void saysWhatIsInTheWayOfTheKubeletsSocket() {
        kubelet = new SocketFile.Unusable("/k/kubelet.sock is a directory; remove it");

        Step step = next(new NotReady("starting"));

        assertThat(step.state().reason()).contains("is a directory; remove it");
    }

    @Test
    void aRefusedDialIsRepeatedInQuickSuccession() {
        outcome = REFUSED_DIAL;

        Step step = next(registering());

        assertThat(step.state()).isInstanceOf(Retrying.class);
        assertThat(step.pause()).isLessThanOrEqualTo(Duration.ofMillis(1));
    }

    @Test
    void inTheFirstTwoSecondsNoPauseIsLongerThanTwentyMilliseconds() {
        RegistrationState state = registering();
        outcome = REFUSED_DIAL;
        Duration longest = Duration.ZERO;
        int dials = 0;

        while (time.now().nanos() < 2_900_000_000L) {
            Step step = next(state);
            state = step.state();
            dials += step.register() ? 1 : 0;
            longest = step.register() || step.pause().compareTo(longest) < 0 ? longest : step.pause();
            time.advance(step.register() ? Duration.ofMillis(1) : step.pause());
        }

        assertThat(longest).isLessThanOrEqualTo(Duration.ofMillis(20));
        assertThat(dials).isBetween(80, 120);
    }

    @Test
    void aKubeletThatIsDownIsDialledEveryTwoSecondsInTheEnd() {
        RegistrationState state = registering();
        outcome = REFUSED_DIAL;
        Step step = next(state);
        for (int i = 0; i < 2_000; i++) {
            time.advance(step.pause());
            step = next(step.state());
        }

        Retrying retrying = (Retrying) (step.state() instanceof Retrying ? step : next(step.state())).state();
        assertThat(retrying.until().since(time.now())).isEqualTo(Duration.ofSeconds(2));
    }

    @Test
    void anErrorOfTheKubeletIsKeptAndRepeatedSlowly() {
        outcome = REFUSED;

        Step step = next(registering());

        assertThat(step.state().reason()).isEqualTo("INVALID_ARGUMENT");
        assertThat(step.pause()).isEqualTo(Duration.ofMillis(100));
    }

    @Test
    void aNewKubeletSocketEndsAnyPause() {
        RegistrationState retrying =
                new Retrying(KUBELET, time.now().plus(Duration.ofSeconds(10)), new Attempts(9, time.now()), "refused");
        kubelet = ANOTHER_KUBELET;

        Step step = next(retrying);

        assertThat(step.register()).isTrue();
        assertThat(step.state()).isEqualTo(new Registering(ANOTHER_KUBELET, time.now(), Attempts.FIRST, 0, false));
    }

    @Test
    void aNewKubeletSocketEndsACallThatHangs() {
        kubelet = ANOTHER_KUBELET;

        Step step = next(registering());

        assertThat(step.register()).isTrue();
    }

    @Test
    void aCallWhoseAnswerGotLostIsGivenUp() {
        RegistrationState registering = registering();
        time.advance(Duration.ofSeconds(20));

        Step step = next(registering);

        assertThat(step.state()).isInstanceOf(Retrying.class);
    }

    @Test
    void aKubeletThatFindsThePluginMayTakeItsTime() {
        found = true;
        RegistrationState registering = registering();
        time.advance(Duration.ofHours(2));

        Step step = next(registering);

        assertThat(step.state()).isEqualTo(registering);
        assertThat(step.register()).isFalse();
    }

    @Test
    void anAnswerMakesItRegistered() {
        outcome = Outcome.SUCCESS;

        Step step = next(registering());

        assertThat(step.state()).isInstanceOf(Registered.class);
        assertThat(step.register()).isFalse();
    }

    @Test
    void aNewKubeletSocketIsRegisteredWithAtOnce() {
        kubelet = ANOTHER_KUBELET;
        streams = 1;

        Step step = next(registered(true));

        assertThat(step.register()).isTrue();
    }

    @Test
    void aVanishedKubeletSocketIsWaitedFor() {
        kubelet = new SocketFile.Missing();

        assertThat(next(registered(true)).state()).isInstanceOf(NoKubelet.class);
    }

    @Test
    void aVanishedKubeletSocketDoesNotEndWhatTheKubeletStillWatches() {
        kubelet = new SocketFile.Missing();
        streams = 1;

        Step step = next(registered(true));

        assertThat(step.state()).isInstanceOf(Registered.class);
        assertThat(step.register()).isFalse();
        assertThat(step.pause()).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void whileTheKubeletWatchesFilesAreLookedAtRarely() {
        streams = 1;

        assertThat(next(registered(true)).pause()).isEqualTo(Duration.ofSeconds(10));
    }

    @Test
    void aNewerAgentIsLeftTheResourceInEveryState() {
        newer = "gpu-node-agent-nvidia.com_gpu-000000000002-01.sock";
        streams = 1;

        for (RegistrationState state : List.of(
                new NotReady("starting"),
                new NoKubelet("none"),
                registering(),
                registered(true),
                new Retrying(KUBELET, time.now(), Attempts.FIRST, "refused"))) {
            Step step = next(state);

            assertThat(step.state()).isInstanceOf(SteppedAside.class);
            assertThat(step.register()).isFalse();
            assertThat(step.state().reason()).contains(newer);
        }
    }

    @Test
    void whenTheNewerAgentEndsTheOlderOneRegistersAgain() {
        streams = 1;

        Step step = next(new SteppedAside("gpu-node-agent-nvidia.com_gpu-000000000002-01.sock"));

        assertThat(step.register()).isTrue();
    }

    @Test
    void whenAnOlderAgentRegistersAfterwardsThisOneIsTheLastToDoSo() {
        contested = true;
        streams = 1;

        Step step = next(registered(true));

        assertThat(step.register()).isTrue();
        assertThat(step.state()).isInstanceOf(Registering.class);
    }

    @Test
    void anAgentThatIsStoppingStaysStopped() {
        newer = "gpu-node-agent-nvidia.com_gpu-000000000002-01.sock";
        RegistrationState stopped = new Stopped("the agent is stopping");

        assertThat(next(stopped).state()).isEqualTo(stopped);
    }

    @Test
    void aVanishedOwnSocketIsServedAndRegisteredAgain() {
        own = new SocketFile.Missing();
        streams = 1;

        assertThat(next(registered(true)).register()).isTrue();
    }

    @Test
    void anOwnSocketThatVanishesDuringTheCallIsServedAgainSoon() {
        own = new SocketFile.Missing();

        Step step = next(registering());

        assertThat(step.state()).isInstanceOf(Retrying.class);
        assertThat(step.pause()).isEqualTo(Duration.ofMillis(1));
    }

    @Test
    void aCancelledStreamIsRegisteredAgainAtOnce() {
        assertThat(next(registered(true)).register()).isTrue();
    }

    @Test
    void aStreamThatCameAndWentBeforeTheAnswerIsACancelledStream() {
        outcome = Outcome.SUCCESS;
        opened = 1;

        assertThat(next(registering()).register()).isTrue();
    }

    @Test
    void streamsCancelledInQuickSuccessionAreAnsweredSlowerAndSlower() {
        RegistrationState state = registered(true);
        int registrations = 0;

        for (int i = 0; i < 6_000; i++) {
            outcome = Outcome.SUCCESS;
            Step step = next(state);
            state = step.state();
            if (step.register()) {
                registrations++;
                opened++;
            }
            time.advance(Duration.ofMillis(10));
        }

        assertThat(registrations).as("in a minute").isBetween(8, 15);
    }

    @Test
    void aStreamThatHeldForAWhileIsReplacedAtOnceAgain() {
        RegistrationState state = new Registered(KUBELET, time.now(), new Attempts(7, time.now()), 0, true);
        time.advance(Duration.ofSeconds(10));

        assertThat(next(state).register()).isTrue();
    }

    @Test
    void aKubeletThatNeverAsksForTheDevicesIsRegisteredWithAgain() {
        RegistrationState state = registered(false);

        assertThat(next(state).register()).isFalse();
        time.advance(Duration.ofSeconds(15));
        assertThat(next(state).register()).isTrue();
    }

    @Test
    void aKubeletThatLeavesBeforeItAskedForTheDevicesIsRegisteredWithAgainAtOnce() {
        left = true;

        Step step = next(registered(false));

        assertThat(step.register()).isTrue();
        assertThat(step.state()).isInstanceOf(Registering.class);
    }

    @Test
    void aKubeletThatLeavesBeforeItAnswersIsWaitedFor() {
        left = true;

        assertThat(next(registering()).register()).isFalse();
    }

    @Test
    void aKubeletThatLeavesAgainAndAgainIsAnsweredSlowerAndSlower() {
        left = true;
        outcome = Outcome.SUCCESS;
        RegistrationState state = next(registered(false)).state();
        List<Long> pauses = new ArrayList<>();

        for (int i = 0; i < 10; i++) {
            Step lost = next(state);
            pauses.add(lost.pause().toMillis());
            time.advance(lost.pause());
            state = next(lost.state()).state();
        }

        assertThat(pauses).containsExactly(200L, 400L, 800L, 1600L, 3200L, 6400L, 10000L, 10000L, 10000L, 10000L);
    }

    @Test
    void aWithdrawnPictureLeavesTheRegistrationAlone() {
        notReady = "driver reload";
        streams = 1;

        assertThat(next(registered(true)).state()).isInstanceOf(Registered.class);
    }

    @Test
    void aKubeletThatRestartsWhileThePictureIsWithdrawnWaitsForThePicture() {
        notReady = "driver reload";
        kubelet = ANOTHER_KUBELET;

        assertThat(next(registered(true)).state()).isEqualTo(new NotReady("driver reload"));
    }

    private RegistrationState registering() {
        return new Registering(KUBELET, time.now(), Attempts.FIRST, 0, found);
    }

    private RegistrationState registered(boolean watched) {
        return new Registered(KUBELET, time.now(), Attempts.FIRST, 0, watched);
    }

    private Step next(RegistrationState state) {
        return RegistrationState.after(
                state,
                new Observation(
                        time.now(),
                        kubelet,
                        own,
                        OWN,
                        newer,
                        contested,
                        notReady,
                        streams,
                        opened,
                        left,
                        outcome,
                        found));
    }
}
