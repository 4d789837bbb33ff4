// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel LEDs on the lines of any gpiochip, through the stock leds-gpio driver and without a device tree:
 *   insmod boardleds.ko chip=LABEL leds=NAME:OFFSET,...
 */
#include <linux/gpio/machine.h>
#include <linux/leds.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>

#define MOST 16

static char *chip = "pinctrl-sim";
module_param(chip, charp, 0444);
static char *leds = "ACT:47";
module_param(leds, charp, 0444);

static struct gpio_led list[MOST];
static struct gpio_led_platform_data data = { .leds = list };
static struct gpiod_lookup_table *table;
static struct platform_device *device;
static char *names; /* the LEDs' names point into it */

static int __init boardleds_init(void)
{
	char *rest, *entry, *colon;
	unsigned int offset;
	int n = 0;

	names = kstrdup(leds, GFP_KERNEL);
	table = kzalloc(struct_size(table, table, MOST + 1), GFP_KERNEL);
	if (!names || !table)
		return -ENOMEM;
	table->dev_id = "leds-gpio.0";
	for (rest = names; n < MOST && (entry = strsep(&rest, ",")); n++) {
		colon = strrchr(entry, ':');
		if (!colon || kstrtouint(colon + 1, 0, &offset))
			return -EINVAL;
		*colon = '\0';
		list[n].name = entry;
		list[n].gpio = -1;
		table->table[n] = GPIO_LOOKUP_IDX(chip, offset, NULL, n, GPIO_ACTIVE_HIGH);
	}
	data.num_leds = n;
	gpiod_add_lookup_table(table);
	device = platform_device_register_data(NULL, "leds-gpio", 0, &data, sizeof(data));
	return PTR_ERR_OR_ZERO(device);
}

static void __exit boardleds_exit(void)
{
	platform_device_unregister(device);
	gpiod_remove_lookup_table(table);
	kfree(table);
	kfree(names);
}

module_init(boardleds_init);
module_exit(boardleds_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("LEDs on the lines of a simulated gpiochip");
