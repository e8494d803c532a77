package io.gpunode.agent.config;

import java.util.Optional;

/** How a setting's value is read, checked and written. */
interface SettingType<T> {
    /** What a value looks like, with its range; one phrase without a full stop, for the reference and for help. */
    String describe();

    /** Reads a value. Empty when it is wrong; the report then has a problem at the value's place. */
    Optional<T> read(RawValue value, String setting, Report report);

    /** The canonical text of a value; reading it gives the value again, unless only a file can hold the value. */
    String text(T value);
}
