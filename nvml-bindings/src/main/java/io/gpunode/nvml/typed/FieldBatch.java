package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlFieldValue_t;
import io.gpunode.nvml.session.NvmlSession;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** All field queries of a sampler in one {@code nvmlDeviceGetFieldValues}. Used by one thread at a time. */
final class FieldBatch implements AutoCloseable {
    private static final int TYPE_DOUBLE = 0;
    private static final int TYPE_UNSIGNED_INT = 1;
    private static final int TYPE_UNSIGNED_LONG = 2;
    private static final int TYPE_UNSIGNED_LONG_LONG = 3;
    private static final int TYPE_SIGNED_LONG_LONG = 4;
    private static final int TYPE_SIGNED_INT = 5;
    private static final int TYPE_UNSIGNED_SHORT = 6;

    /** Fields of one call: fewer than there are ids, which is what libraries are known to take at once. */
    private static final int MOST_OF_A_CALL = 256;

    /** {@code NVML_FI_DEV_MEMORY_TEMP}: some R545 drivers fill in an {@code unsigned int} and name another type. */
    private static final int MEMORY_TEMPERATURE = 82;

    /** The places of the queries in the arrays of a read. */
    private final int[] places;

    private final int[] fieldIds;
    private final boolean[] doubles;
    private final boolean[] narrow;
    private final @Nullable NativeBlock batch;
    /** What the batch holds before each call: nothing that an earlier call left can be taken for an answer. */
    private final @Nullable NativeBlock template;

    FieldBatch(List<NvmlQuery> queries) {
        int count = 0;
        for (NvmlQuery query : queries) {
            count += query instanceof NvmlQuery.Field ? 1 : 0;
        }
        places = new int[count];
        fieldIds = new int[count];
        doubles = new boolean[queries.size()];
        narrow = new boolean[queries.size()];
        batch = count == 0 ? null : new NativeBlock(count * nvmlFieldValue_t.sizeof);
        template = count == 0 ? null : new NativeBlock(count * nvmlFieldValue_t.sizeof);
        int entry = 0;
        for (int place = 0; place < queries.size(); place++) {
            if (template != null && queries.get(place) instanceof NvmlQuery.Field(int fieldId, int scopeId)) {
                int at = entry * nvmlFieldValue_t.sizeof;
                template.putInt(at + nvmlFieldValue_t.fieldId, fieldId);
                template.putInt(at + nvmlFieldValue_t.scopeId, scopeId);
                template.putInt(at + nvmlFieldValue_t.nvmlReturn, NvmlReturn.UNKNOWN.code());
                places[entry] = place;
                fieldIds[entry] = fieldId;
                entry++;
            }
        }
    }

    void read(NvmlSession session, long device, long[] values, int[] codes) {
        if (batch == null || template == null) {
            return;
        }
        batch.copyFrom(template);
        for (int from = 0; from < places.length; from += MOST_OF_A_CALL) {
            read(batch, from, Math.min(places.length, from + MOST_OF_A_CALL), session, device, values, codes);
        }
    }

    private void read(
            NativeBlock batch, int from, int to, NvmlSession session, long device, long[] values, int[] codes) {
        int code = session.has(NvmlFunction.nvmlDeviceGetFieldValues)
                ? session.api()
                        .nvmlDeviceGetFieldValues(
                                device, to - from, batch.address() + (long) from * nvmlFieldValue_t.sizeof)
                : NvmlReturn.FUNCTION_NOT_FOUND.code();
        for (int entry = from; entry < to; entry++) {
            int place = places[entry];
            int at = entry * nvmlFieldValue_t.sizeof;
            codes[place] = code == 0 ? batch.getInt(at + nvmlFieldValue_t.nvmlReturn) : code;
            if (codes[place] == 0) {
                store(batch, at, entry, place, values, codes);
            }
        }
    }

    private void store(NativeBlock entries, int at, int entry, int place, long[] values, int[] codes) {
        int value = at + nvmlFieldValue_t.value;
        int type = fieldIds[entry] == MEMORY_TEMPERATURE
                ? TYPE_UNSIGNED_INT
                : entries.getInt(at + nvmlFieldValue_t.valueType);
        doubles[place] = type == TYPE_DOUBLE;
        narrow[place] = type == TYPE_UNSIGNED_INT;
        switch (type) {
            case TYPE_DOUBLE, TYPE_UNSIGNED_LONG, TYPE_UNSIGNED_LONG_LONG, TYPE_SIGNED_LONG_LONG ->
                values[place] = entries.getLong(value);
            case TYPE_UNSIGNED_INT -> values[place] = Integer.toUnsignedLong(entries.getInt(value));
            case TYPE_SIGNED_INT -> values[place] = entries.getInt(value);
            case TYPE_UNSIGNED_SHORT -> values[place] = entries.getShort(value);
            // A type that this binding cannot read is no value.
            default -> codes[place] = NvmlReturn.UNKNOWN.code();
        }
    }

    boolean isDouble(int place) {
        return doubles[place];
    }

    boolean isNarrow(int place) {
        return narrow[place];
    }

    @Override
    public void close() {
        if (batch != null && template != null) {
            batch.close();
            template.close();
        }
    }
}
