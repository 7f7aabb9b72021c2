import unittest

from temperature import to_fahrenheit


class Temperature(unittest.TestCase):
    def test_water_boils(self):
        self.assertEqual(to_fahrenheit(100), 212)
