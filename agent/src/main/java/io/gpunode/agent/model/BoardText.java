package io.gpunode.agent.model;

/** Texts about a board that are read only for who wants them; its serial number and VBIOS version are in every {@link Gpu}. */
public enum BoardText {
    /** The product line, for example {@code Tesla}. */
    BRAND,
    INFOROM_IMAGE_VERSION,
    INFOROM_OEM_VERSION,
    INFOROM_ECC_VERSION,
    INFOROM_POWER_VERSION
}
