"""The words of the simulated company: names, places, trades, goods.

Belongs here: lists of words and the SQL that picks from them by number. Does not belong here: who gets which word.
"""

__all__ = [
    "BRAND_ENDINGS",
    "BRAND_STARTS",
    "CHANNELS",
    "CHINESE_CITIES",
    "EMAIL_DOMAINS",
    "GIVEN_NAMES",
    "GOODS",
    "INDIAN_CITIES",
    "INDIAN_FIRST_NAMES",
    "INDIAN_LAST_NAMES",
    "INDUSTRIES",
    "MEMBERSHIP_LEVELS",
    "NORTH_AMERICAN_CITIES",
    "SURNAMES",
    "TRADES",
    "WESTERN_FIRST_NAMES",
    "WESTERN_LAST_NAMES",
    "chance",
    "column",
    "pick",
]

#: Draws that choose words or decide chances are whole numbers below this.
DRAWS = 2**31

#: Surname, and how it is spelt in an address.
SURNAMES = (
    ("王", "wang"), ("李", "li"), ("张", "zhang"), ("刘", "liu"), ("陈", "chen"), ("杨", "yang"), ("黄", "huang"),
    ("赵", "zhao"), ("吴", "wu"), ("周", "zhou"), ("徐", "xu"), ("孙", "sun"), ("马", "ma"), ("朱", "zhu"),
    ("胡", "hu"), ("郭", "guo"), ("何", "he"), ("林", "lin"), ("高", "gao"), ("罗", "luo"), ("郑", "zheng"),
    ("梁", "liang"), ("谢", "xie"), ("宋", "song"), ("唐", "tang"), ("许", "xu"), ("邓", "deng"), ("韩", "han"),
    ("冯", "feng"), ("曹", "cao"), ("彭", "peng"), ("曾", "zeng"), ("欧阳", "ouyang"), ("上官", "shangguan"),
)  # fmt: skip

#: Characters of given names; a name has one or two.
GIVEN_NAMES = (
    ("伟", "wei"), ("芳", "fang"), ("娜", "na"), ("敏", "min"), ("静", "jing"), ("丽", "li"), ("强", "qiang"),
    ("磊", "lei"), ("军", "jun"), ("洋", "yang"), ("勇", "yong"), ("艳", "yan"), ("杰", "jie"), ("娟", "juan"),
    ("涛", "tao"), ("明", "ming"), ("超", "chao"), ("霞", "xia"), ("平", "ping"), ("刚", "gang"), ("桂", "gui"),
    ("欣", "xin"), ("怡", "yi"), ("雪", "xue"), ("晨", "chen"), ("宇", "yu"), ("浩", "hao"), ("梓", "zi"),
    ("涵", "han"), ("婷", "ting"), ("嘉", "jia"), ("睿", "rui"),
)  # fmt: skip

WESTERN_FIRST_NAMES = (
    "James", "Mary", "Robert", "Linda", "John", "Susan", "Michael", "Karen", "David", "Nancy", "William", "Lisa",
    "Daniel", "Emily", "Thomas", "Laura", "Kevin", "Rachel", "Brian", "Megan", "Eric", "Hannah", "Adam", "Julia",
    "Zoë", "José", "Chloé", "Sean",
)  # fmt: skip

WESTERN_LAST_NAMES = (
    "Smith", "Johnson", "Brown", "Garcia", "Miller", "Davis", "Wilson", "Anderson", "Taylor", "Moore", "Martin",
    "Thompson", "White", "Harris", "Clark", "Lewis", "Walker", "Hall", "Young", "King", "Wright", "Scott", "Green",
    "Baker", "O'Brien", "Núñez", "Lefèvre", "Reed",
)  # fmt: skip

INDIAN_FIRST_NAMES = (
    "Aarav", "Priya", "Rohan", "Ananya", "Vikram", "Kavya", "Arjun", "Neha", "Rahul", "Isha", "Karan", "Divya",
    "Sanjay", "Meera", "Amit", "Pooja", "Nikhil", "Riya", "Suresh", "Lakshmi",
)  # fmt: skip

INDIAN_LAST_NAMES = (
    "Sharma", "Patel", "Reddy", "Iyer", "Gupta", "Nair", "Singh", "Mehta", "Rao", "Desai", "Joshi", "Kapoor",
    "Menon", "Bose", "Kulkarni", "Chopra", "Verma", "Shah", "Das", "Pillai",
)  # fmt: skip

#: Province or state, and city.
CHINESE_CITIES = (
    ("上海市", "上海市"), ("北京市", "北京市"), ("广东省", "广州市"), ("广东省", "深圳市"), ("浙江省", "杭州市"),
    ("浙江省", "宁波市"), ("江苏省", "南京市"), ("江苏省", "苏州市"), ("四川省", "成都市"), ("重庆市", "重庆市"),
    ("湖北省", "武汉市"), ("湖南省", "长沙市"), ("陕西省", "西安市"), ("山东省", "青岛市"), ("山东省", "济南市"),
    ("福建省", "厦门市"), ("河南省", "郑州市"), ("辽宁省", "大连市"), ("天津市", "天津市"), ("安徽省", "合肥市"),
)  # fmt: skip

NORTH_AMERICAN_CITIES = (
    ("NY", "New York"), ("CA", "San Francisco"), ("CA", "Los Angeles"), ("TX", "Austin"), ("WA", "Seattle"),
    ("IL", "Chicago"), ("MA", "Boston"), ("CO", "Denver"), ("OR", "Portland"), ("GA", "Atlanta"),
)  # fmt: skip

INDIAN_CITIES = (
    ("Maharashtra", "Mumbai"), ("Karnataka", "Bengaluru"), ("Delhi", "New Delhi"), ("Telangana", "Hyderabad"),
    ("Tamil Nadu", "Chennai"), ("West Bengal", "Kolkata"), ("Gujarat", "Ahmedabad"), ("Maharashtra", "Pune"),
)  # fmt: skip

INDUSTRIES = (
    ("酒店餐饮", "Hospitality"), ("零售", "Retail"), ("教育", "Education"), ("医疗健康", "Healthcare"),
    ("物业管理", "Facilities"), ("制造业", "Manufacturing"), ("信息技术", "Technology"), ("批发贸易", "Wholesale"),
)  # fmt: skip

#: The two halves of a Chinese brand, and what a company's name ends in.
BRAND_STARTS = ("明", "华", "恒", "瑞", "嘉", "鑫", "宏", "安", "泰", "盛", "博", "远", "新", "佳", "海", "天")
BRAND_ENDINGS = ("达", "源", "通", "信", "丰", "泽", "诚", "润", "美", "康", "辉", "和", "宇", "创", "联", "悦")
TRADES = ("商贸有限公司", "贸易有限公司", "酒店管理有限公司", "科技有限公司", "百货有限公司", "供应链有限公司")

CHANNELS = ("search", "social", "referral", "store", "marketplace", "trade_fair", "advertising", "other")
MEMBERSHIP_LEVELS = ("普通会员", "银卡会员", "金卡会员", "钻石会员")

#: Reserved for examples: nobody's mailbox.
EMAIL_DOMAINS = ("mail.example.com", "post.example.com", "inbox.example.net", "mail.example.org", "web.example.net")

#: What the company sells: category and goods, in both languages, with the price in CNY.
GOODS: tuple[tuple[tuple[str, str], tuple[tuple[str, str, int], ...]], ...] = (
    (
        ("厨房", "Kitchen"),
        (
            ("不锈钢炒锅", "Steel wok", 269),
            ("玻璃水壶", "Glass jug", 59),
            ("陶瓷碗六件套", "Bowl set of six", 89),
            ("硅胶锅铲", "Silicone spatula", 19),
            ("保温杯", "Vacuum flask", 99),
            ("菜刀", "Chef's knife", 139),
            ("砧板", "Chopping board", 45),
            ("密封罐", "Storage jar", 29),
            ("电热水壶", "Electric kettle", 159),
            ("空气炸锅", "Air fryer", 399),
        ),
    ),
    (
        ("清洁", "Cleaning"),
        (
            ("洗衣液", "Laundry liquid", 39),
            ("洗洁精", "Dish soap", 12),
            ("抹布十条装", "Cloths, pack of ten", 15),
            ("平板拖把", "Flat mop", 79),
            ("垃圾袋", "Bin bags", 9),
            ("除螨喷雾", "Mite spray", 35),
            ("扫地机器人", "Robot vacuum", 1499),
            ("玻璃刮", "Window squeegee", 25),
            ("洗手液", "Hand soap", 16),
            ("柔顺剂", "Fabric softener", 32),
        ),
    ),
    (
        ("个人护理", "Personal care"),
        (
            ("电动牙刷", "Electric toothbrush", 199),
            ("牙膏", "Toothpaste", 14),
            ("洗发水", "Shampoo", 49),
            ("沐浴露", "Shower gel", 42),
            ("护手霜", "Hand cream", 22),
            ("剃须刀", "Shaver", 329),
            ("面膜十片装", "Masks, pack of ten", 69),
            ("吹风机", "Hair dryer", 249),
            ("棉柔巾", "Cotton tissues", 18),
            ("防晒霜", "Sunscreen", 85),
        ),
    ),
    (
        ("床品", "Bedding"),
        (
            ("四件套", "Bed linen set", 359),
            ("蚕丝被", "Silk duvet", 899),
            ("记忆枕", "Memory pillow", 149),
            ("毛毯", "Blanket", 129),
            ("床笠", "Fitted sheet", 95),
            ("枕套两只", "Two pillow cases", 48),
            ("凉席", "Summer mat", 119),
            ("眼罩", "Sleep mask", 27),
            ("床垫", "Mattress", 1999),
            ("抱枕", "Cushion", 55),
        ),
    ),
    (
        ("收纳", "Storage"),
        (
            ("收纳箱", "Storage box", 49),
            ("衣架十个", "Ten hangers", 23),
            ("鞋架", "Shoe rack", 109),
            ("真空袋", "Vacuum bags", 36),
            ("抽屉分隔", "Drawer dividers", 26),
            ("挂钩", "Hooks", 10),
            ("书架", "Bookshelf", 299),
            ("洗衣篮", "Laundry basket", 65),
            ("桌面收纳", "Desk organiser", 39),
            ("旅行收纳袋", "Travel pouches", 52),
        ),
    ),
    (
        ("家居", "Home"),
        (
            ("台灯", "Desk lamp", 169),
            ("香薰", "Scented candle", 75),
            ("花瓶", "Vase", 88),
            ("地毯", "Rug", 279),
            ("窗帘", "Curtains", 219),
            ("挂钟", "Wall clock", 98),
            ("加湿器", "Humidifier", 189),
            ("空气净化器", "Air purifier", 1299),
            ("雨伞", "Umbrella", 58),
        ),
    ),
    (
        ("服务", "Service"),
        (("家庭护理计划", "Home care plan", 297),),
    ),
)


def column(pairs: tuple[tuple[str, ...], ...], place: int) -> tuple[str, ...]:
    """One element of each entry of a list of pairs."""
    return tuple(pair[place] for pair in pairs)


def pick(words: tuple[str, ...], number: str) -> str:
    """SQL for one of the words, chosen by a whole number that may be larger than their count."""
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"list_extract([{quoted}], ({number}) % {len(words)} + 1)"


def chance(number: str, probability: float) -> str:
    """SQL that is true for this share of uniform draws."""
    return f"({number} < {round(probability * DRAWS)})"
