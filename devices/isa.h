/* Byte-wide ISA ports: the adapter between the bus and a model that answers byte by byte. The ISA
 * bus controller splits a wider access to an 8-bit device into byte cycles, lowest address first.
 */
#ifndef DEVICES_ISA_H
#define DEVICES_ISA_H

#include "devices/bus.h"

/* Defines NAME_bus_read and NAME_bus_write for a bus_region at `base`, out of MODEL_read(dev, port)
 * and MODEL_write(dev, port, byte), where port is `base` plus the offset. */
#define ISA_BYTE_PORTS(name, model, base)                                                          \
	static uint64_t name##_bus_read(void *dev, uint64_t offset, unsigned size)                 \
	{                                                                                          \
		uint64_t value = 0;                                                                \
                                                                                                   \
		if (likely(size == 1))                                                             \
			return model##_read(dev, (uint16_t)((base) + offset));                     \
		for (unsigned i = 0; i < size; i++)                                                \
			value |= (uint64_t)model##_read(dev, (uint16_t)((base) + offset + i))      \
				 << (8 * i);                                                       \
		return value;                                                                      \
	}                                                                                          \
	static void name##_bus_write(void *dev, uint64_t offset, unsigned size, uint64_t value)    \
	{                                                                                          \
		for (unsigned i = 0; i < size; i++)                                                \
			model##_write(dev, (uint16_t)((base) + offset + i),                        \
				      (uint8_t)(value >> (8 * i)));                                \
	}

/* The region that goes with it. */
#define ISA_REGION(adapter, port, length, title)                                                   \
	{                                                                                          \
		.base = (port), .len = (length), .read = adapter##_bus_read,                       \
		.write = adapter##_bus_write, .name = (title)                                      \
	}

#endif
